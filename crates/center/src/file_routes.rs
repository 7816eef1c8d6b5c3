//! Files over HTTP: whole or in ranges (RFC 9110 clause 14), to devices that were asked to fetch them.

use std::io::{self, SeekFrom};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_RANGE, RANGE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use cert::DeviceIdentity;
use futures_util::stream;
use http_range_header::parse_range_header;
use message::call::Command;
use message::problem::{Problem, ProblemCode};
use store::center::firmware::{self, Firmware};
use store::center::incident;
use store::center::rollout::{self, State as RolloutState, Step};
use store::{Snapshot, StoreError};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::time::Instant;
use transport::{Device, Refused};

use crate::admission::{quarantined, recognize};
use crate::call::command_of;
use crate::center::Center;
use crate::error::CenterError;
use crate::files::{BUFFER_BYTES, FileError};
use crate::firmware::unknown_firmware;
use crate::routes::refused;

/// Who reads a file more slowly than this, and has had [`GRACE`], is cut off; it may ask for the rest.
const BYTES_PER_SECOND_MIN: u64 = 256;
const GRACE: Duration = Duration::from_secs(60);

/// A firmware package, whole or one range of it, for a device that was asked to fetch it.
#[utoipa::path(
    get, path = "/v1/files/{name}", params(("name" = String, Path, description = "The package's name.")),
    responses(
        (status = 200, description = "The whole package.", content_type = "application/octet-stream"),
        (status = 206, description = "The range that was asked for.", content_type = "application/octet-stream"),
        (status = 416, description = "The range lies behind the end.", body = Problem,
            content_type = "application/problem+json"),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn files(
    State(center): State<Arc<Center>>,
    Device(device): Device,
    name: Result<Path<String>, PathRejection>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let no_name = |_| Refused::new(ProblemCode::MalformedRequest, "this is no package's name");
    let Path(name) = name.map_err(no_name)?;
    let firmware = center.firmware_for(&device, &name).await.map_err(refused)?;
    let tag = HeaderValue::from_str(&format!("\"{}\"", firmware.name)).expect("a name is hexadecimal");
    let wanted = if method == Method::GET { wanted(&headers, &tag, firmware.length) } else { Wanted::Whole };
    let (status, range) = match wanted {
        Wanted::Whole => (StatusCode::OK, 0..=firmware.length - 1),
        Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Wanted::Unsatisfiable => {
            let detail = format!("the package has {} bytes", firmware.length);
            let refusal = Refused::new(ProblemCode::RangeNotSatisfiable, detail);
            let content_range = format!("bytes */{}", firmware.length);
            return Ok((with_tag(tag), [(CONTENT_RANGE, content_range)], refusal).into_response());
        }
    };
    let file = center.opened_at(&firmware, *range.start()).await.map_err(refused)?;
    let length = range.end() - range.start() + 1;
    let mut response = (status, with_tag(tag), body(file, length)).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CONTENT_LENGTH, length.into());
    if status == StatusCode::PARTIAL_CONTENT {
        let text = format!("bytes {}-{}/{}", range.start(), range.end(), firmware.length);
        headers.insert(CONTENT_RANGE, HeaderValue::from_str(&text).expect("it is made of digits"));
    }
    Ok(response)
}

impl Center {
    /// The package of this name, where the device was asked to fetch it.
    async fn firmware_for(&self, sender: &DeviceIdentity, name: &str) -> Result<Firmware, CenterError> {
        let mut snapshot = self.desk.store.read().await?;
        let recognized = recognize(&mut snapshot, sender).await?.and_then(|standing| {
            if standing.is_quarantined { Err(quarantined(&sender.number)) } else { Ok(()) }
        });
        if let Err(found) = recognized {
            drop(snapshot);
            let (now, number, detail) = (self.desk.now(), sender.number.clone(), found.detail.clone());
            let noted: Result<(), StoreError> = self
                .desk
                .store
                .write(move |transaction| {
                    Box::pin(async move {
                        incident::note(transaction, &number, found.kind.as_str(), &found.detail, now).await
                    })
                })
                .await;
            noted?;
            return Err(CenterError::Refused { kind: found.kind, detail });
        }
        let found = firmware::find(&mut snapshot, name).await?;
        // Which packages there are for others is none of the device's business.
        let firmware = found.filter(|firmware| firmware.product == *sender.number.product());
        let firmware = firmware.ok_or_else(|| unknown_firmware(name))?;
        may_fetch(&mut snapshot, sender, name).await?;
        Ok(firmware)
    }

    async fn opened_at(&self, firmware: &Firmware, start: u64) -> Result<File, CenterError> {
        let opened = async {
            let mut file = self.files.open(&firmware.name).await?;
            file.seek(SeekFrom::Start(start)).await?;
            Ok(file)
        };
        opened.await.map_err(|error| FileError::Directory(error).into())
    }
}

/// Whether an open request tells the device to fetch the package, and no roll-out holds it back.
async fn may_fetch(snapshot: &mut Snapshot, sender: &DeviceIdentity, name: &str) -> Result<(), CenterError> {
    let mut is_held_back = false;
    for (command, part) in rollout::open_commands(snapshot, &sender.number).await? {
        let (Command::FetchFirmware { package } | Command::RollBackFirmware { package }) =
            command_of(&command)?
        else {
            continue;
        };
        match part {
            _ if package.as_str() != name => {}
            None
            | Some((Step::Fetch, RolloutState::Running))
            | Some((Step::RollBack, RolloutState::RollingBack)) => return Ok(()),
            Some((Step::Fetch, RolloutState::Halted)) => is_held_back = true,
            Some(_) => {}
        }
    }
    if is_held_back {
        return Err(CenterError::Halted(format!("the roll-out of {name} is halted; ask again later")));
    }
    Err(CenterError::NotAsked(format!("{} is not asked to fetch {name}, or no more", sender.number)))
}

/// What part of a file is wanted.
enum Wanted {
    Whole,
    Part(RangeInclusive<u64>),
    Unsatisfiable,
}

/// A range is given where exactly one is asked for, of the file as it is (`If-Range`). What is no range of
/// bytes is passed over, as RFC 9110 clause 14.2 has it.
fn wanted(headers: &HeaderMap, tag: &HeaderValue, length: u64) -> Wanted {
    let mut ranges = headers.get_all(RANGE).iter();
    let (Some(range), None) = (ranges.next(), ranges.next()) else { return Wanted::Whole };
    if headers.get(IF_RANGE).is_some_and(|condition| condition != tag) {
        return Wanted::Whole;
    }
    let parsed = range.to_str().ok().and_then(|range| parse_range_header(range).ok());
    let Some(parsed) = parsed.filter(|ranges| ranges.len() == 1) else { return Wanted::Whole };
    match parsed.validate(length) {
        Ok(mut ranges) => ranges.pop().map_or(Wanted::Whole, Wanted::Part),
        Err(_) => Wanted::Unsatisfiable,
    }
}

fn with_tag(tag: HeaderValue) -> [(axum::http::HeaderName, HeaderValue); 2] {
    [(ETAG, tag), (ACCEPT_RANGES, HeaderValue::from_static("bytes"))]
}

/// So many bytes of a file, a buffer at a time, as fast as the peer takes them.
fn body(file: File, length: u64) -> Body {
    let begun = Instant::now();
    Body::from_stream(stream::try_unfold((file.take(length), 0), move |(mut file, sent)| async move {
        if begun.elapsed() > GRACE + Duration::from_secs(sent / BYTES_PER_SECOND_MIN) {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the peer reads too slowly"));
        }
        let mut buffer = vec![0; BUFFER_BYTES];
        let count = file.read(&mut buffer).await?;
        buffer.truncate(count);
        Ok((count > 0).then(|| (Bytes::from(buffer), (file, sent + count as u64))))
    }))
}
