//! Packs: elements that several messages have.

use identity::DeviceNumber;

use super::{Fault, Fields, Writer};
use crate::bytes::Bytes;
use crate::issue::NumberedPack;
use crate::pack::{ApparatusPack, CertificatePack, CredentialPack, PackKey, Sealed, TwoKeys};

/// A pack of certificates alone.
pub fn write_numbered(body: &mut Writer, NumberedPack { device_number, pack }: &NumberedPack) {
    write_pack(body, device_number, |element| write_certificate(element, pack));
}

pub fn read_numbered(mut element: Fields<'_>) -> Result<NumberedPack, Fault> {
    let device_number = element.value("DeviceNumber")?;
    let root_certificate = element.bytes("RootCertificate")?;
    let pack = read_certificate(&mut element, root_certificate)?;
    element.end()?;
    Ok(NumberedPack { device_number, pack })
}

/// All that one device stores.
pub fn write_credentials(body: &mut Writer, device_number: &DeviceNumber, pack: &CredentialPack) {
    write_pack(body, device_number, |element| {
        if let Some(certificate) = &pack.certificate {
            write_certificate(element, certificate);
        }
        if let Some(apparatus) = &pack.apparatus {
            element.nest("Apparatus", |element| write_apparatus(element, apparatus));
        }
    });
}

pub fn read_credentials(body: &mut Fields<'_>) -> Result<(DeviceNumber, CredentialPack), Fault> {
    let mut element = Fields::of(body.required("Pack")?)?;
    let device_number = element.value("DeviceNumber")?;
    let certificate = match element.optional_bytes("RootCertificate")? {
        Some(root_certificate) => Some(read_certificate(&mut element, root_certificate)?),
        None => None,
    };
    let apparatus =
        element.optional("Apparatus")?.map(|node| read_apparatus(Fields::of(node)?)).transpose()?;
    element.end()?;
    Ok((device_number, CredentialPack { certificate, apparatus }))
}

fn write_pack(body: &mut Writer, device_number: &DeviceNumber, content: impl FnOnce(&mut Writer)) {
    body.nest("Pack", |element| {
        element.element("DeviceNumber", device_number);
        content(element);
    });
}

fn write_certificate(element: &mut Writer, pack: &CertificatePack) {
    element.bytes("RootCertificate", &pack.root_certificate.0);
    element.bytes("IssuingCertificate", &pack.issuing_certificate.0);
    element.bytes("ClientCertificate", &pack.client_certificate.0);
    match &pack.key {
        PackKey::Plain(key) => element.bytes("SecretKey", key.expose()),
        PackKey::Sealed(key) => write_sealed(element, "SealedKey", key),
        PackKey::DeviceOwn => {}
    }
}

/// The rest of a certificate pack, whose first element says that there is one.
fn read_certificate(element: &mut Fields<'_>, root_certificate: Bytes) -> Result<CertificatePack, Fault> {
    let issuing_certificate = element.bytes("IssuingCertificate")?;
    let client_certificate = element.bytes("ClientCertificate")?;
    let key = match (element.optional_secret("SecretKey")?, element.optional("SealedKey")?) {
        (Some(key), None) => PackKey::Plain(key),
        (None, Some(node)) => PackKey::Sealed(read_sealed(Fields::of(node)?)?),
        (None, None) => PackKey::DeviceOwn,
        (Some(_), Some(_)) => return Err(Fault::malformed(TwoKeys.to_string())),
    };
    Ok(CertificatePack { root_certificate, issuing_certificate, client_certificate, key })
}

fn write_apparatus(element: &mut Writer, pack: &ApparatusPack) {
    element.element("ApparatusId", pack.apparatus_id);
    write_sealed(element, "Sealed", &pack.sealed);
    element.element("Form", pack.form);
    element.bytes("Challenge", &pack.challenge.0);
    element.bytes("Confirmation", &pack.confirmation.0);
}

fn read_apparatus(mut element: Fields<'_>) -> Result<ApparatusPack, Fault> {
    let pack = ApparatusPack {
        apparatus_id: element.value("ApparatusId")?,
        sealed: read_sealed(Fields::of(element.required("Sealed")?)?)?,
        form: element.value("Form")?,
        challenge: element.bytes("Challenge")?,
        confirmation: element.bytes("Confirmation")?,
    };
    element.end()?;
    Ok(pack)
}

fn write_sealed(element: &mut Writer, name: &str, sealed: &Sealed) {
    element.nest(name, |element| {
        element.optional("KeyIdentifier", sealed.key_identifier.as_ref());
        element.bytes("Ciphertext", &sealed.ciphertext.0);
    });
}

fn read_sealed(mut element: Fields<'_>) -> Result<Sealed, Fault> {
    let sealed = Sealed {
        key_identifier: element.optional_value("KeyIdentifier")?,
        ciphertext: element.bytes("Ciphertext")?,
    };
    element.end()?;
    Ok(sealed)
}
