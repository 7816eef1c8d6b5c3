//! A station's day: a scan a line, a verdict each, until the scans end.

use std::io;
use std::pin::{Pin, pin};
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};
use tokio::time::sleep;

use crate::device::DeviceAddress;
use crate::failure::Failure;
use crate::station::{Station, Written};

/// The longest line that a scanner delivers; the rest of a longer one is passed over.
const SCAN_BYTES_MAX: usize = 256;

/// How often results that wait are delivered again.
const WAITING_PAUSE: Duration = Duration::from_secs(10);

/// Takes scans, a line each, writes the device at `address` for each, and reports how it went. While
/// no scan comes, results that were left behind are delivered.
///
/// # Errors
/// The scans cannot be read any more, or the station's own files.
pub async fn serve(
    station: &Station,
    address: &DeviceAddress,
    mut scans: impl AsyncBufRead + Unpin,
    mut report: impl FnMut(&str, &Result<Written, Failure>),
) -> io::Result<()> {
    loop {
        let next = pin!(next_scan(&mut scans));
        let Some(scan) = deliver_until(next, station).await? else { return Ok(()) };
        if !scan.is_empty() {
            report(&scan, &station.write(&scan, address).await);
        }
    }
}

async fn deliver_until(
    mut next: Pin<&mut impl Future<Output = io::Result<Option<String>>>>,
    station: &Station,
) -> io::Result<Option<String>> {
    loop {
        tokio::select! {
            scan = &mut next => return scan,
            () = sleep(WAITING_PAUSE) => {
                let waiting = station.deliver_waiting().await?;
                if waiting > 0 {
                    tracing::warn!(waiting, "results wait for the gateway");
                }
            }
        }
    }
}

/// The next line without its end, or `None` after the last.
async fn next_scan(scans: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let length = scans.take(SCAN_BYTES_MAX as u64).read_until(b'\n', &mut line).await?;
    if length == 0 {
        return Ok(None);
    }
    let mut rest = Vec::new();
    while line.last() != Some(&b'\n') && rest.last() != Some(&b'\n') {
        rest.clear();
        if scans.take(SCAN_BYTES_MAX as u64).read_until(b'\n', &mut rest).await? == 0 {
            break;
        }
    }
    Ok(Some(String::from_utf8_lossy(&line).trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn scans_are_lines_of_limited_length() {
        let long = "9".repeat(10_000);
        let text = format!("3012-123456\r\n\n{long}\n  A123-654321\nlast");
        let mut scans = text.as_bytes();
        let mut read = Vec::new();
        while let Some(scan) = next_scan(&mut scans).await.unwrap() {
            read.push(scan);
        }
        assert_eq!(read, ["3012-123456", "", &long[..SCAN_BYTES_MAX], "A123-654321", "last"]);
    }
}
