//! Where an authority publishes what everyone may read: CRLs, OCSP, CA certificates.

use std::fmt;
use std::str::FromStr;

use der::asn1::Ia5String;
use x509_cert::ext::pkix::CrlDistributionPoints;
use x509_cert::ext::pkix::crl::dp::DistributionPoint;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};

use crate::crl::CrlPartition;

/// The address of an authority's publications, such as `http://pki.example`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct PublishedUrl(String);

/// The text is not such an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not an address such as http://pki.example, of at most {} characters", PublishedUrl::LENGTH_MAX)]
pub struct ParsePublishedUrlError;

impl PublishedUrl {
    /// It stands in every certificate, so it is short.
    pub const LENGTH_MAX: usize = 128;
}

impl FromStr for PublishedUrl {
    type Err = ParsePublishedUrlError;

    /// Plain http: what is published is signed, and whoever verifies TLS with it cannot need TLS to get it
    /// (RFC 5280 clause 8).
    fn from_str(text: &str) -> Result<Self, ParsePublishedUrlError> {
        let rest = text.strip_prefix("http://").ok_or(ParsePublishedUrlError)?.trim_end_matches('/');
        let may_stand = |letter: char| letter.is_ascii_alphanumeric() || "-._~:/[]%".contains(letter);
        let has_host = rest.starts_with(|letter: char| letter.is_ascii_alphanumeric() || letter == '[');
        if !has_host || !rest.chars().all(may_stand) || text.len() > Self::LENGTH_MAX {
            return Err(ParsePublishedUrlError);
        }
        Ok(Self(format!("http://{rest}")))
    }
}

impl fmt::Display for PublishedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where one CA's publications are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Publication {
    url: PublishedUrl,
    ca: String,
}

impl Publication {
    /// The publications of the CA that is called `ca`, below the authority's address.
    pub fn new(url: PublishedUrl, ca: &str) -> Self {
        Self { url, ca: ca.to_owned() }
    }

    /// The address of a partition's complete CRL.
    pub fn crl(&self, partition: CrlPartition) -> String {
        format!("{}/crl/{}/{partition}.crl", self.url, self.ca)
    }

    /// The address of a partition's delta CRL.
    pub fn delta_crl(&self, partition: CrlPartition) -> String {
        format!("{}/crl/{}/{partition}-delta.crl", self.url, self.ca)
    }

    /// The address of the OCSP responder.
    pub fn ocsp(&self) -> String {
        format!("{}/ocsp", self.url)
    }

    /// The address of the CA's certificate.
    pub fn certificate(&self) -> String {
        format!("{}/ca/{}.cer", self.url, self.ca)
    }
}

pub(crate) fn uri(address: &str) -> der::Result<GeneralName> {
    Ok(GeneralName::UniformResourceIdentifier(Ia5String::new(address)?))
}

/// One distribution point, by one address.
pub(crate) fn distribution_points(address: &str) -> der::Result<CrlDistributionPoints> {
    let point = DistributionPoint {
        distribution_point: Some(DistributionPointName::FullName(vec![uri(address)?])),
        reasons: None,
        crl_issuer: None,
    };
    Ok(CrlDistributionPoints(vec![point]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_plain_http_and_end_without_a_slash() {
        for text in ["http://pki.example", "http://pki.example:8080/touchmark", "http://[::1]:80"] {
            assert_eq!(text.parse::<PublishedUrl>().unwrap().to_string(), text);
            assert_eq!(format!("{text}/").parse::<PublishedUrl>().unwrap().to_string(), text);
        }
        let long = format!("http://{}", "a".repeat(122));
        for text in
            ["https://pki.example", "pki.example", "http://", "http:///x", "http://a b", "http://a?b", &long]
        {
            assert_eq!(text.parse::<PublishedUrl>(), Err(ParsePublishedUrlError), "{text}");
        }
    }
}
