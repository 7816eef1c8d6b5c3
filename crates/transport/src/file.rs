//! Files in ranges (RFC 9110 clause 14): the asking side.

use std::ops::RangeInclusive;

use reqwest::StatusCode;
use reqwest::header::{CONTENT_RANGE, ETAG, HeaderMap, HeaderName, IF_RANGE, RANGE};

use crate::client::{CallError, Client, read_answer};

/// A part of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FilePart {
    /// The bytes; fewer than asked for where the file ends before.
    pub bytes: Vec<u8>,
    /// How many bytes the whole file has.
    pub total: u64,
    /// The file's tag, which says that a later part is of the same file.
    pub tag: String,
}

impl Client {
    /// Asks for a range of the file at `path`; with a tag, of the file that had it.
    ///
    /// # Errors
    /// The host refuses or cannot be reached, or gives anything else than this range of this file.
    pub async fn get_range(
        &self,
        path: &str,
        range: RangeInclusive<u64>,
        tag: Option<&str>,
    ) -> Result<FilePart, CallError> {
        let (start, end) = range.into_inner();
        let mut request = self.http.get(self.at(path)).header(RANGE, format!("bytes={start}-{end}"));
        if let Some(tag) = tag {
            request = request.header(IF_RANGE, tag);
        }
        let response = request.timeout(self.timeout).send().await.map_err(CallError::unreachable)?;
        let (status, headers) = (response.status(), response.headers().clone());
        if status.is_success() && status != StatusCode::PARTIAL_CONTENT {
            return Err(CallError::Garbled("it is no range of the file that was begun".to_owned()));
        }
        let bytes = Self::body(response).await?;
        if status != StatusCode::PARTIAL_CONTENT {
            return read_answer::<serde_json::Value>(status, &bytes).and_then(|_| Err(garbled()));
        }
        let total = total(&headers, start, bytes.len() as u64).ok_or_else(garbled)?;
        let tag = text(&headers, ETAG).ok_or_else(garbled)?.to_owned();
        if bytes.is_empty() || bytes.len() as u64 > end - start + 1 {
            return Err(garbled());
        }
        Ok(FilePart { bytes, total, tag })
    }
}

/// How long the file is, where the headers say that these are its bytes from `start` on.
fn total(headers: &HeaderMap, start: u64, count: u64) -> Option<u64> {
    let (given, total) = text(headers, CONTENT_RANGE)?.split_once('/')?;
    let last = (start + count).checked_sub(1)?;
    (given == format!("bytes {start}-{last}")).then(|| total.parse().ok()).flatten()
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn garbled() -> CallError {
    CallError::Garbled("it is not the range that was asked for".to_owned())
}
