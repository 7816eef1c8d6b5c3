//! The authority, as a gateway sees it.

use std::error::Error;

use message::allotment::Allotment;
use message::issue::{
    ApparatusPackRequest, ApparatusPacks, CertificateTransmission, CertificateTransmissionRequest,
    DevicePackRequest,
};
use message::join::{MemberRequest, Membership};
use message::pack::CredentialPack;
use message::problem::Problem;
use message::report::{Report, ReportAnswer};
use message::trust::{TrustReport, TrustedCas};
use message::withdrawal::Withdrawals;
use transport::{CallError, Client};

use std::pin::Pin;

/// An answer that is awaited.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, UpstreamError>> + Send + 'a>>;

/// What a gateway asks of the authority.
pub trait Upstream: Send + Sync {
    /// What the factory may make.
    fn allotment(&self) -> Answer<'_, Allotment>;
    /// Packs for these numbers.
    fn issue<'a>(
        &'a self,
        request: &'a CertificateTransmissionRequest,
    ) -> Answer<'a, CertificateTransmission>;
    /// Symmetric credentials that are not yet anybody's.
    fn issue_apparatuses<'a>(&'a self, request: &'a ApparatusPackRequest) -> Answer<'a, ApparatusPacks>;
    /// Packs for one device that stands before a station.
    fn issue_for_device<'a>(&'a self, request: &'a DevicePackRequest) -> Answer<'a, CredentialPack>;
    /// What became of packs.
    fn report<'a>(&'a self, report: &'a Report) -> Answer<'a, ReportAnswer>;
    /// What was withdrawn after the record of this number.
    fn withdrawals(&self, after: u64) -> Answer<'_, Withdrawals>;
    /// Which CAs of devices the gateway and its stations trust; which ones they are to trust.
    fn trust<'a>(&'a self, report: &'a TrustReport) -> Answer<'a, TrustedCas>;
    /// A certificate for a station that joins.
    fn member<'a>(&'a self, request: &'a MemberRequest) -> Answer<'a, Membership>;
}

/// Why the authority gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// It refused.
    #[error("the authority refused: {0}")]
    Refused(Problem),
    /// It was not reached, or what it answered makes no sense.
    #[error("the authority gave no answer")]
    NoAnswer(#[source] Box<dyn Error + Send + Sync>),
}

impl Upstream for Client {
    fn allotment(&self) -> Answer<'_, Allotment> {
        Box::pin(async { Ok(self.get_json("/v1/allotment").await?) })
    }

    fn issue<'a>(
        &'a self,
        request: &'a CertificateTransmissionRequest,
    ) -> Answer<'a, CertificateTransmission> {
        Box::pin(async { Ok(self.post_json("/v1/packs", request).await?) })
    }

    fn issue_apparatuses<'a>(&'a self, request: &'a ApparatusPackRequest) -> Answer<'a, ApparatusPacks> {
        Box::pin(async { Ok(self.post_json("/v1/apparatus-packs", request).await?) })
    }

    fn issue_for_device<'a>(&'a self, request: &'a DevicePackRequest) -> Answer<'a, CredentialPack> {
        Box::pin(async { Ok(self.post_json("/v1/device-packs", request).await?) })
    }

    fn report<'a>(&'a self, report: &'a Report) -> Answer<'a, ReportAnswer> {
        Box::pin(async { Ok(self.post_json("/v1/reports", report).await?) })
    }

    fn withdrawals(&self, after: u64) -> Answer<'_, Withdrawals> {
        Box::pin(async move { Ok(self.get_json(&format!("/v1/withdrawals?after={after}")).await?) })
    }

    fn trust<'a>(&'a self, report: &'a TrustReport) -> Answer<'a, TrustedCas> {
        Box::pin(async { Ok(self.post_json("/v1/trust", report).await?) })
    }

    fn member<'a>(&'a self, request: &'a MemberRequest) -> Answer<'a, Membership> {
        Box::pin(async { Ok(self.post_json("/v1/members", request).await?) })
    }
}

impl From<CallError> for UpstreamError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused(problem) => Self::Refused(problem),
            other => Self::NoAnswer(Box::new(other)),
        }
    }
}
