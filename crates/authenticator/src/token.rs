//! Tokens: what a device shows a service (JWT, RFC 7519, signed with ES256).
//!
//! A token is short-lived, for one service, and says which device holds it. A service checks it by
//! itself with [`verify`] and the keys that the authenticator publishes, which says nothing about a
//! revocation in the token's last minutes; or it asks the authenticator, which does.

use std::sync::{Arc, Mutex, PoisonError};

use auth::Nonce;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use identity::{ApparatusId, DeviceNumber, Member, MemberName, Random};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use message::authenticate::{Claims, Introspection, Jwk, JwkSet};
use store::authenticator::apparatus;
use store::authenticator::signing_key::{self, SigningKey};
use store::{Store, StoreError, Vault};

use crate::authenticator::Authenticator;
use crate::error::AuthenticatorError;

/// For how long a key signs tokens. Its public half is published until the last of them has ended.
const KEY_SECONDS: i64 = 30 * 24 * 3_600;

/// Why a service does not take a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TokenRefused {
    /// None of the keys signed it; perhaps a new one did, that was published since.
    #[error("the token is signed with a key that is not known")]
    UnknownKey,
    /// It is no token, was changed, or comes from another authenticator.
    #[error("the token is not one of this authenticator for this service")]
    Invalid,
    /// It has ended.
    #[error("the token has ended")]
    Ended,
}

/// Checks a token that a device shows to `service`, with the keys that the authenticator publishes.
///
/// # Errors
/// Why the service must not take it.
pub fn verify(
    token: &str,
    keys: &JwkSet,
    authenticator: &Member,
    service: &Member,
    now: i64,
) -> Result<Claims, TokenRefused> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| TokenRefused::Invalid)?;
    let id = header.kid.ok_or(TokenRefused::Invalid)?;
    let key = keys.keys.iter().find(|key| key.kid == id).ok_or(TokenRefused::UnknownKey)?;
    let key = DecodingKey::from_ec_components(&key.x, &key.y).map_err(|_| TokenRefused::UnknownKey)?;
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_issuer(&[authenticator]);
    validation.set_audience(&[service]);
    validation.set_required_spec_claims(&["iss", "aud", "exp"]);
    // The library would ask the machine for the time; it is compared below.
    validation.validate_exp = false;
    let claims: Claims =
        jsonwebtoken::decode(token, &key, &validation).map_err(|_| TokenRefused::Invalid)?.claims;
    if now >= claims.exp { Err(TokenRefused::Ended) } else { Ok(claims) }
}

impl Authenticator {
    /// The keys that good tokens may be signed with.
    ///
    /// # Errors
    /// The store fails.
    pub async fn keys(&self) -> Result<JwkSet, StoreError> {
        let keys = signing_key::made_since(&mut self.store.read().await?, self.oldest_key()).await?;
        Ok(JwkSet { keys: keys.iter().map(published).collect::<Result<_, _>>()? })
    }

    /// What a token says, if it is good now and for the service that asks.
    ///
    /// # Errors
    /// The store fails.
    pub async fn introspect(&self, token: &str, service: MemberName) -> Result<Introspection, StoreError> {
        let inactive = Introspection { active: false, claims: None };
        let keys = self.keys().await?;
        let Ok(claims) = verify(token, &keys, &self.member, &Member::service(service), self.now()) else {
            return Ok(inactive);
        };
        match apparatus::find(&mut self.store.read().await?, claims.sub).await? {
            Some(_) => Ok(Introspection { active: true, claims: Some(claims) }),
            None => Ok(inactive),
        }
    }

    pub(crate) async fn issue_token(
        &self,
        id: ApparatusId,
        device_number: DeviceNumber,
        service: Member,
    ) -> Result<String, AuthenticatorError> {
        let now = self.now();
        let key = self.signer.key(&self.store, &self.vault, now, &*self.random).await?;
        let claims = Claims {
            iss: self.member.clone(),
            sub: id,
            aud: service,
            iat: now,
            exp: now + i64::from(self.settings.token_seconds),
            jti: random_name(&*self.random),
            device_number,
        };
        let header = Header { kid: Some(key.id.clone()), ..Header::new(Algorithm::ES256) };
        Ok(jsonwebtoken::encode(&header, &claims, &key.key)?)
    }

    /// Keys that were made before this have signed no token that is still good.
    pub(crate) fn oldest_key(&self) -> i64 {
        self.now() - KEY_SECONDS - i64::from(self.settings.token_seconds)
    }
}

/// The key that tokens are signed with now.
pub(crate) struct Signer(Mutex<Arc<CurrentKey>>);

pub(crate) struct CurrentKey {
    id: String,
    key: EncodingKey,
    created: i64,
}

impl Signer {
    pub(crate) async fn open(
        store: &Store,
        vault: &Vault,
        now: i64,
        random: &dyn Random,
    ) -> Result<Self, AuthenticatorError> {
        Ok(Self(Mutex::new(Arc::new(current_key(store, vault, now, random).await?))))
    }

    /// The key, a new one where it has signed for long enough.
    async fn key(
        &self,
        store: &Store,
        vault: &Vault,
        now: i64,
        random: &dyn Random,
    ) -> Result<Arc<CurrentKey>, AuthenticatorError> {
        let key = Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if now < key.created + KEY_SECONDS {
            return Ok(key);
        }
        let key = Arc::new(current_key(store, vault, now, random).await?);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&key);
        Ok(key)
    }
}

/// The key that all instances sign with now, made where there is none.
async fn current_key(
    store: &Store,
    vault: &Vault,
    now: i64,
    random: &dyn Random,
) -> Result<CurrentKey, AuthenticatorError> {
    let since = now - KEY_SECONDS;
    let mut keys = signing_key::made_since(&mut store.read().await?, since).await?;
    if keys.is_empty() {
        let key = new_key(vault, now, random)?;
        let _: bool = store
            .write(move |transaction| {
                Box::pin(async move { signing_key::insert_unless(transaction, &key, since).await })
            })
            .await?;
        keys = signing_key::made_since(&mut store.read().await?, since).await?;
    }
    let key = keys.into_iter().next().ok_or(StoreError::Corrupt { what: "signing_key" })?;
    let private_key = vault.open(&key_context(&key.id), &key.sealed_private_key)?;
    Ok(CurrentKey { key: EncodingKey::from_ec_der(private_key.expose()), id: key.id, created: key.created })
}

fn new_key(vault: &Vault, now: i64, random: &dyn Random) -> Result<SigningKey, AuthenticatorError> {
    let failed = |_| AuthenticatorError::Cryptography;
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?;
    let private_key = pair.to_pkcs8v1().map_err(failed)?;
    let id = random_name(random);
    Ok(SigningKey {
        public_key: pair.public_key().as_ref().to_vec(),
        sealed_private_key: vault.seal(&key_context(&id), private_key.as_ref())?,
        created: now,
        id,
    })
}

fn key_context(id: &str) -> Vec<u8> {
    format!("token key {id}").into_bytes()
}

/// A key as services read it (RFC 7518 clause 6.2).
fn published(key: &SigningKey) -> Result<Jwk, StoreError> {
    // An uncompressed point: a byte that says so, and two coordinates (SEC 1 clause 2.3.3).
    let Some((_, coordinates)) = key.public_key.split_first().filter(|(_, rest)| rest.len() == 64) else {
        return Err(StoreError::Corrupt { what: "signing_key.public_key" });
    };
    let (x, y) = coordinates.split_at(32);
    Ok(Jwk {
        kty: "EC".into(),
        crv: "P-256".into(),
        purpose: "sig".into(),
        alg: "ES256".into(),
        kid: key.id.clone(),
        x: BASE64_URL_SAFE_NO_PAD.encode(x),
        y: BASE64_URL_SAFE_NO_PAD.encode(y),
    })
}

/// A name that nothing else has: 128 random bits.
fn random_name(random: &dyn Random) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Nonce::random(random).as_bytes())
}
