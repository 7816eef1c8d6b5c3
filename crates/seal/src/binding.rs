//! What a sealed object is for.

use identity::{CredentialId, ProductCode};
use minicbor::encode::{Encode, Encoder, Error, Write};

/// The product and the credential that a sealed object is for. It travels beside the object, not in
/// it, and is authenticated with it.
#[derive(Clone, Copy, Debug)]
pub struct Binding<'a> {
    /// The product whose devices may open it.
    pub product: &'a ProductCode,
    /// The credential whose secret it is: a device number or an apparatus ID.
    pub credential: &'a CredentialId,
}

/// Tells these objects from all others that the same key may ever seal, and names their version.
const LABEL: &str = "touchmark pack 1";

impl Binding<'_> {
    /// The most bytes that a binding takes in CBOR.
    pub(crate) const BYTES_MAX: usize =
        1 + 1 + LABEL.len() + 1 + ProductCode::LENGTH_MAX + 2 + CredentialId::LENGTH_MAX;
}

impl<C> Encode<C> for Binding<'_> {
    fn encode<W: Write>(&self, to: &mut Encoder<W>, _: &mut C) -> Result<(), Error<W::Error>> {
        to.array(3)?.str(LABEL)?.str(self.product.as_str())?.str(&self.credential.text())?.ok()
    }
}
