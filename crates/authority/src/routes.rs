//! The authority over HTTP: JSON for everyone, described by OpenAPI, and SOAP for a factory's older
//! systems.

use std::error::Error;
use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use cert::DeviceIdentity;
use message::allotment::Allotment;
use message::carried::{CarriedAnswer, CarriedRequest};
use message::collection::CollectionRequest;
use message::fleet::{DeviceRegistrationQuery, DeviceRegistrations};
use message::history::{DeviceHistory, DeviceHistoryQuery};
use message::issue::{
    ApparatusPackRequest, ApparatusPacks, CertificateTransmission, CertificateTransmissionRequest,
    DevicePackRequest,
};
use message::join::{JoinRequest, MemberRequest, Membership};
use message::pack::CredentialPack;
use message::problem::{Problem, ProblemCode};
use message::recovery::{RecoveryAnswer, RecoveryRequest};
use message::registration::{RegistrationQuery, Registrations};
use message::renewal::RenewalRequest;
use message::report::{Report, ReportAnswer};
use message::shut_out::ShutOut;
use message::soap::Operation;
use message::standing::DeviceStanding;
use message::trust::{TrustReport, TrustedCas};
use message::withdrawal::{WithdrawalQuery, Withdrawals};
use transport::soap::{SoapAnswer, SoapFault, SoapRequest, wsdl};
use transport::{
    AnyMember, Authenticator, Center, ChannelBinding, Common, Device, Gateway, Json, Origin, Refused,
    RenewingDevice,
};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::authority::Authority;
use crate::error::AuthorityError;
use crate::est;

/// What a peer without a certificate may ask: newcomers join, a device collects its certificate, and whoever
/// is to verify us learns our CAs.
pub const OPEN_TO_ALL: &[(Method, &str)] =
    &[(Method::POST, "/v1/join"), (Method::POST, "/v1/collections"), (Method::GET, est::CA_CERTIFICATES)];

/// What a device may ask with its common certificate: for an individual one, and whom to verify.
pub const OPEN_TO_COMMON: &[(Method, &str)] = &[
    (Method::POST, "/v1/recoveries"),
    (Method::POST, est::SIMPLE_ENROLL),
    (Method::GET, est::CA_CERTIFICATES),
];

/// What a device may ask whose certificate has expired, where its product allows it.
pub const OPEN_TO_EXPIRED: &[(Method, &str)] = &[
    (Method::POST, "/v1/renewals"),
    (Method::POST, est::SIMPLE_ENROLL),
    (Method::POST, est::SIMPLE_REENROLL),
    (Method::POST, est::SERVER_KEY_GENERATION),
];

type Shared = State<Arc<Authority>>;

impl Authority {
    /// All that gateways and devices may ask of this authority.
    pub fn router(self: Arc<Self>) -> Router {
        let (router, description) = OpenApiRouter::with_openapi(Description::openapi())
            .routes(routes!(packs))
            .routes(routes!(apparatus_packs))
            .routes(routes!(device_packs))
            .routes(routes!(collections))
            .routes(routes!(recoveries))
            .routes(routes!(allotment))
            .routes(routes!(reports))
            .routes(routes!(withdrawals))
            .routes(routes!(join))
            .routes(routes!(members))
            .routes(routes!(identity))
            .routes(routes!(confirmation))
            .routes(routes!(renewals))
            .routes(routes!(carried_requests))
            .routes(routes!(device_registrations))
            .routes(routes!(device_history))
            .routes(routes!(registrations))
            .routes(routes!(shut_out))
            .routes(routes!(trust))
            .routes(routes!(soap))
            .split_for_parts();
        let description = Json(description);
        router
            .merge(est::routes())
            .route("/soap", get(wsdl))
            .route("/openapi.json", get(async move || description))
            .with_state(Arc::clone(&self))
            .merge(self.publication_router())
    }
}

/// What the service offers, as OpenAPI 3.1; the routes add themselves.
#[derive(OpenApi)]
#[openapi(info(
    title = "touchmark authority",
    description = "Issues credentials and records what became of each. Gateways order, report and hear \
                   what they may make; authenticators and centers follow what became of devices; a \
                   device asks whom it is taken for. Each shows its certificate; only joining, and \
                   collecting a certificate that is owed, need none."
))]
struct Description;

/// Asks for packs by device number.
#[utoipa::path(
    post, path = "/v1/packs", request_body = CertificateTransmissionRequest,
    responses(
        (status = 200, description = "A pack for each number, in the order asked.", body = CertificateTransmission),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn packs(
    State(authority): Shared,
    gateway: Gateway,
    Json(request): Json<CertificateTransmissionRequest>,
) -> Result<Json<CertificateTransmission>, Refused> {
    authority.desk().admit(&gateway).await.map_err(refused)?;
    Ok(Json(authority.issue(&gateway.name, request).await.map_err(refused)?))
}

/// Asks for a batch of symmetric credentials of one product.
#[utoipa::path(
    post, path = "/v1/apparatus-packs", request_body = ApparatusPackRequest,
    responses(
        (status = 200, description = "As many packs as were asked for.", body = ApparatusPacks),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn apparatus_packs(
    State(authority): Shared,
    gateway: Gateway,
    Json(request): Json<ApparatusPackRequest>,
) -> Result<Json<ApparatusPacks>, Refused> {
    authority.desk().admit(&gateway).await.map_err(refused)?;
    Ok(Json(authority.issue_apparatuses(&gateway.name, request).await.map_err(refused)?))
}

/// Asks for what cannot be made without the device that it is for.
#[utoipa::path(
    post, path = "/v1/device-packs", request_body = DevicePackRequest,
    responses(
        (status = 200, description = "What was made for this device, and nothing else.", body = CredentialPack),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn device_packs(
    State(authority): Shared,
    gateway: Gateway,
    Json(request): Json<DevicePackRequest>,
) -> Result<Json<CredentialPack>, Refused> {
    authority.desk().admit(&gateway).await.map_err(refused)?;
    Ok(Json(authority.issue_for_device(&gateway.name, request).await.map_err(refused)?))
}

/// Gives a device the certificate for the key that it made; its signature speaks for it.
#[utoipa::path(
    post, path = "/v1/collections", request_body = CollectionRequest,
    responses(
        (status = 200, description = "The certificate that was owed.", body = CredentialPack),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn collections(
    State(authority): Shared,
    origin: Origin,
    Json(request): Json<CollectionRequest>,
) -> Result<Json<CredentialPack>, Refused> {
    let ChannelBinding(channel_binding) = origin.channel_binding;
    Ok(Json(authority.collect(&request, &channel_binding).await.map_err(refused)?))
}

/// Asks for an individual certificate under a common one. The same request again is answered by where it
/// then stands.
#[utoipa::path(
    post, path = "/v1/recoveries", request_body = RecoveryRequest,
    responses(
        (status = 200, description = "The certificate.", body = RecoveryAnswer),
        (status = 202, description = "A person decides.", body = RecoveryAnswer),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn recoveries(
    State(authority): Shared,
    origin: Origin,
    Common(common): Common,
    Json(request): Json<RecoveryRequest>,
) -> Result<(StatusCode, Json<RecoveryAnswer>), Refused> {
    let ChannelBinding(channel_binding) = origin.channel_binding;
    let answer = authority.recover(&common, request, &channel_binding).await.map_err(refused)?;
    let status = match answer {
        RecoveryAnswer::Pending { .. } => StatusCode::ACCEPTED,
        RecoveryAnswer::Issued { .. } => StatusCode::OK,
    };
    Ok((status, Json(answer)))
}

/// What the asking gateway's factory may make.
#[utoipa::path(
    get, path = "/v1/allotment",
    responses(
        (status = 200, description = "Quotas and serial ranges.", body = Allotment),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn allotment(State(authority): Shared, gateway: Gateway) -> Result<Json<Allotment>, Refused> {
    authority.desk().admit(&gateway).await.map_err(refused)?;
    Ok(Json(authority.desk().allotment(&gateway.name).await.map_err(refused)?))
}

/// Reports what became of packs.
#[utoipa::path(
    post, path = "/v1/reports", request_body = Report,
    responses(
        (status = 200, description = "An answer for each record.", body = ReportAnswer),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn reports(
    State(authority): Shared,
    gateway: Gateway,
    Json(report): Json<Report>,
) -> Result<Json<ReportAnswer>, Refused> {
    authority.desk().admit(&gateway).await.map_err(refused)?;
    Ok(Json(authority.report(&gateway.name, report).await.map_err(refused)?))
}

/// Which credentials of the asking gateway's factory were withdrawn here, as it follows it.
#[utoipa::path(
    get, path = "/v1/withdrawals", params(WithdrawalQuery),
    responses(
        (status = 200, description = "The records that come next.", body = Withdrawals),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn withdrawals(
    State(authority): Shared,
    gateway: Gateway,
    query: Result<Query<WithdrawalQuery>, QueryRejection>,
) -> Result<Json<Withdrawals>, Refused> {
    let Query(query) =
        query.map_err(|rejection| Refused::new(ProblemCode::MalformedRequest, rejection.body_text()))?;
    authority.desk().admit(&gateway).await.map_err(refused)?;
    Ok(Json(authority.desk().withdrawals(&gateway.name, query.after).await.map_err(refused)?))
}

/// Makes a newcomer with a join token a gateway, an authenticator, a service or a center.
#[utoipa::path(
    post, path = "/v1/join", request_body = JoinRequest,
    responses(
        (status = 200, description = "The newcomer is a member now.", body = Membership),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn join(
    State(authority): Shared,
    Json(request): Json<JoinRequest>,
) -> Result<Json<Membership>, Refused> {
    Ok(Json(authority.join(&request).await.map_err(refused)?))
}

/// Makes a station that joins the asking gateway a member.
#[utoipa::path(
    post, path = "/v1/members", request_body = MemberRequest,
    responses(
        (status = 200, description = "The station is a member now.", body = Membership),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn members(
    State(authority): Shared,
    gateway: Gateway,
    Json(request): Json<MemberRequest>,
) -> Result<Json<Membership>, Refused> {
    authority.desk().admit(&gateway).await.map_err(refused)?;
    Ok(Json(authority.add_station(&gateway.name, &request).await.map_err(refused)?))
}

/// Whom the authority takes the asking device for.
#[utoipa::path(
    get, path = "/v1/identity",
    responses(
        (status = 200, description = "The device is known by its key.", body = DeviceStanding),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn identity(State(authority): Shared, Device(device): Device) -> Result<Json<DeviceStanding>, Refused> {
    Ok(Json(authority.desk().standing(&device).await.map_err(refused)?))
}

/// Hears from a device that it has the certificate which it shows, in place of the one before.
#[utoipa::path(
    post, path = "/v1/identity/confirmation",
    responses(
        (status = 200, description = "Only this certificate of the device counts now.", body = DeviceStanding),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn confirmation(
    State(authority): Shared,
    Device(device): Device,
) -> Result<Json<DeviceStanding>, Refused> {
    Ok(Json(authority.desk().confirm(&device).await.map_err(refused)?))
}

/// Gives a device its next certificate.
#[utoipa::path(
    post, path = "/v1/renewals", request_body = RenewalRequest,
    responses(
        (status = 200, description = "The certificate; the same key again gets the same.", body = CredentialPack),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn renewals(
    State(authority): Shared,
    device: RenewingDevice,
    Json(request): Json<RenewalRequest>,
) -> Result<Json<CredentialPack>, Refused> {
    let device = admitted(&authority, device).await?;
    let certificate = authority.renew(&device, request).await.map_err(refused)?;
    Ok(Json(CredentialPack { certificate: Some(certificate), apparatus: None }))
}

/// Answers a managed device, whose request a center passes on.
#[utoipa::path(
    post, path = "/v1/carried-requests", request_body = CarriedRequest,
    responses(
        (status = 200, description = "The answer; the same request again gets the same.", body = CarriedAnswer),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn carried_requests(
    State(authority): Shared,
    center: Center,
    Json(request): Json<CarriedRequest>,
) -> Result<Json<CarriedAnswer>, Refused> {
    authority.desk().admit_member(&center.certificate_serial).await.map_err(refused)?;
    Ok(Json(authority.answer_carried(request).await.map_err(refused)?))
}

/// Which devices were made, and what becomes of them, as centers follow it.
#[utoipa::path(
    get, path = "/v1/device-registrations", params(DeviceRegistrationQuery),
    responses(
        (status = 200, description = "The records that come next.", body = DeviceRegistrations),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn device_registrations(
    State(authority): Shared,
    center: Center,
    query: Result<Query<DeviceRegistrationQuery>, QueryRejection>,
) -> Result<Json<DeviceRegistrations>, Refused> {
    let Query(query) =
        query.map_err(|rejection| Refused::new(ProblemCode::MalformedRequest, rejection.body_text()))?;
    authority.desk().admit_member(&center.certificate_serial).await.map_err(refused)?;
    Ok(Json(authority.desk().device_registrations(query.after).await.map_err(refused)?))
}

/// All that is known here of one device number, for a center's life page of it.
#[utoipa::path(
    get, path = "/v1/device-history", params(DeviceHistoryQuery),
    responses(
        (status = 200, description = "Its certificates, boards and requests.", body = DeviceHistory),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn device_history(
    State(authority): Shared,
    center: Center,
    query: Result<Query<DeviceHistoryQuery>, QueryRejection>,
) -> Result<Json<DeviceHistory>, Refused> {
    let Query(query) =
        query.map_err(|rejection| Refused::new(ProblemCode::MalformedRequest, rejection.body_text()))?;
    authority.desk().admit_member(&center.certificate_serial).await.map_err(refused)?;
    Ok(Json(authority.desk().device_history(query.device_number).await.map_err(refused)?))
}

/// Which symmetric credentials devices hold, and which are revoked, as authenticators follow it.
#[utoipa::path(
    get, path = "/v1/registrations", params(RegistrationQuery),
    responses(
        (status = 200, description = "The records that come next.", body = Registrations),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn registrations(
    State(authority): Shared,
    authenticator: Authenticator,
    query: Result<Query<RegistrationQuery>, QueryRejection>,
) -> Result<Json<Registrations>, Refused> {
    let Query(query) =
        query.map_err(|rejection| Refused::new(ProblemCode::MalformedRequest, rejection.body_text()))?;
    authority.desk().admit_member(&authenticator.certificate_serial).await.map_err(refused)?;
    Ok(Json(authority.registrations(query.after).await.map_err(refused)?))
}

/// Which services are shut out, as authenticators ask it.
#[utoipa::path(
    get, path = "/v1/shut-out",
    responses(
        (status = 200, description = "All that are shut out now.", body = ShutOut),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn shut_out(State(authority): Shared, authenticator: Authenticator) -> Result<Json<ShutOut>, Refused> {
    authority.desk().admit_member(&authenticator.certificate_serial).await.map_err(refused)?;
    Ok(Json(authority.desk().shut_out().await.map_err(refused)?))
}

/// Says which CAs of devices the asking member trusts, and hears which ones it is to trust.
#[utoipa::path(
    post, path = "/v1/trust", request_body = TrustReport,
    responses(
        (status = 200, description = "The CAs that sign devices, and no others.", body = TrustedCas),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn trust(
    State(authority): Shared,
    AnyMember(member): AnyMember,
    Json(report): Json<TrustReport>,
) -> Result<Json<TrustedCas>, Refused> {
    authority.desk().admit_member(&member.certificate_serial).await.map_err(refused)?;
    Ok(Json(authority.hear_trust(&member.member, &report).await.map_err(refused)?))
}

/// Packs as SOAP 1.1; `GET /soap?wsdl` describes it.
#[utoipa::path(
    post, path = "/soap", request_body(content = String, content_type = "text/xml"),
    responses(
        (status = 200, description = "The answer.", body = String, content_type = "text/xml"),
        (status = 500, description = "A fault.", body = String, content_type = "text/xml"),
    )
)]
async fn soap(
    State(authority): Shared,
    gateway: Result<Gateway, Refused>,
    request: SoapRequest,
) -> Result<Response, SoapFault> {
    let gateway = gateway?;
    authority.desk().admit(&gateway).await.map_err(refused)?;
    match request.operation() {
        Operation::CertificateTransmissionRequest => {
            let packs = authority.issue(&gateway.name, request.message()?).await.map_err(refused)?;
            Ok(SoapAnswer(packs).into_response())
        }
        other => Err(SoapFault::not_served(other)),
    }
}

/// The device, where its certificate is still good enough to ask for the next.
pub(crate) async fn admitted(
    authority: &Authority,
    device: RenewingDevice,
) -> Result<DeviceIdentity, Refused> {
    if let Some(expired) = device.expired {
        authority.check_expired(&device.identity.number, expired).await.map_err(refused)?;
    }
    Ok(device.identity)
}

/// A refusal is the peer's business; what failed here is logged with all its causes.
pub(crate) fn refused(error: AuthorityError) -> Refused {
    let problem = error.problem();
    if problem.status >= 500 {
        tracing::error!(error = &error as &dyn Error, "a request failed");
    } else {
        tracing::info!(code = %problem.code, detail = problem.detail, "a request was refused");
    }
    Refused(problem)
}
