//! Requests for certificates that an intermediate device carries for a device that it manages: whether it may, and on to the
//! authority with them.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use cert::DeviceIdentity;
use identity::DeviceNumber;
use message::carried::{CarriedAnswer, CarriedRequest};
use message::problem::{Problem, ProblemCode};
use store::StoreError;
use store::center::incident;
use transport::{CallError, Device, Refused};

use crate::admission::admit_carrier;
use crate::center::Center;
use crate::error::CenterError;
use crate::incident::Incident;
use crate::routes::{JsonDocument, refused};

/// The path here and at the authority.
const PATH: &str = "/v1/carried-requests";

/// Passes a managed device's request for a certificate on to the authority, byte for byte, and the answer back.
#[utoipa::path(
    post, path = "/v1/carried-requests", request_body = CarriedRequest,
    responses(
        (status = 200, description = "What the authority answered.", body = CarriedAnswer),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn carried_requests(
    State(center): State<Arc<Center>>,
    Device(carrier): Device,
    JsonDocument(raw): JsonDocument,
) -> Result<impl IntoResponse, Refused> {
    let request: CarriedRequest = serde_json::from_slice(&raw)
        .map_err(|error| Refused::new(ProblemCode::MalformedRequest, error.to_string()))?;
    center.check_carrier(carrier, request.device_number).await.map_err(refused)?;
    let Some(authority) = &center.authority else {
        return Err(Refused::new(ProblemCode::Internal, "this center knows no authority to pass it on to"));
    };
    match authority.pass_on(PATH, "application/json", raw).await {
        Ok(answer) => Ok(([(CONTENT_TYPE, "application/json")], Bytes::from(answer))),
        Err(CallError::Refused(problem)) => Err(Refused(problem)),
        Err(error) => Err(refused(CenterError::Authority(error))),
    }
}

impl Center {
    /// Whether this device may carry requests of that one; where it may not, that is an incident.
    async fn check_carrier(&self, carrier: DeviceIdentity, device: DeviceNumber) -> Result<(), CenterError> {
        let now = self.desk.now();
        let checked: Result<Result<(), Incident>, StoreError> = self
            .desk
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    let admitted = admit_carrier(transaction, &carrier, &device).await?;
                    if let Err(Incident { kind, detail }) = &admitted {
                        incident::note(transaction, &carrier.number, kind.as_str(), detail, now).await?;
                    }
                    Ok(admitted)
                })
            })
            .await;
        checked?.map_err(|Incident { kind, detail }| CenterError::Refused { kind, detail })
    }
}
