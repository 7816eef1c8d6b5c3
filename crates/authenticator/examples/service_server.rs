//! A service that takes orders for supplies from devices that an authenticator vouches for.
//!
//! It joins the plant with a token that the authority has made for it
//! (`touchmark authority invite service --name supplies`), serves on a port of its own, and says on
//! stdout where. A device shows its token with each order (RFC 6750):
//!
//! ```text
//! service_server --token tmj1.... --authenticator urn:touchmark:authenticator:europe \
//!     --authenticator-url https://127.0.0.1:7446 [--ask]
//! ```
//!
//! Without `--ask` it checks tokens by itself, with the keys that the authenticator publishes; with
//! it, it asks for every order, and so hears at once of a device that was revoked.

use std::error::Error;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use authenticator::token::{TokenRefused, verify};
use axum::Router;
use axum::extract::State;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Method};
use axum::routing::post;
use cert::tls::HostTrust;
use clap::Parser;
use identity::{Clock, Member};
use message::authenticate::{Claims, Introspection, JwkSet};
use message::join::JoinToken;
use message::problem::ProblemCode;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use transport::{CallError, Client, HostTls, Json, Limits, Refused, join, serve};

#[derive(Parser)]
struct Arguments {
    /// The token that the authority has made for this service
    #[arg(long)]
    token: String,
    /// Who vouches for devices
    #[arg(long, value_name = "URN")]
    authenticator: Member,
    /// Where it answers
    #[arg(long, value_name = "URL")]
    authenticator_url: String,
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Ask the authenticator about every token
    #[arg(long)]
    ask: bool,
}

struct Service {
    member: Member,
    authenticator: Member,
    client: Client,
    clock: Arc<dyn Clock>,
    ask: bool,
    keys: Mutex<Arc<JwkSet>>,
}

/// What a device orders.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    item: String,
}

/// What the service has understood.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Receipt {
    device_number: String,
    item: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let token: JoinToken = arguments.token.parse()?;
    let joined = join(&token, Arc::clone(&clock)).await?;
    let (trust, credential) = (joined.trust()?, joined.credential()?);
    let client = Client::new(
        HostTrust::Plant(trust.clone()),
        Some(&credential),
        arguments.authenticator.clone(),
        &arguments.authenticator_url,
        Arc::clone(&clock),
    )?;
    let service = Service {
        member: token.member,
        authenticator: arguments.authenticator,
        client,
        clock: Arc::clone(&clock),
        ask: arguments.ask,
        keys: Mutex::new(Arc::new(JwkSet { keys: Vec::new() })),
    };
    let router = Router::new().route("/v1/orders", post(order)).with_state(Arc::new(service));
    // Devices have no certificate; what they show is the token.
    const ORDERS: &[(Method, &str)] = &[(Method::POST, "/v1/orders")];
    let limits = Limits { open_to_all: ORDERS, ..Limits::default() };
    let tls = HostTls::new(trust, &credential, clock)?;
    let listener = TcpListener::bind(arguments.listen).await?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
    serve(listener, Arc::new(tls), router, limits, std::future::pending()).await;
    Ok(())
}

async fn order(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    Json(order): Json<Order>,
) -> Result<Json<Receipt>, Refused> {
    let claims = service.claims(&headers).await?;
    Ok(Json(Receipt { device_number: claims.device_number.to_string(), item: order.item }))
}

impl Service {
    /// What the device's token says, if it is good.
    async fn claims(&self, headers: &HeaderMap) -> Result<Claims, Refused> {
        let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer ")).ok_or_else(no_token)?;
        if self.ask {
            let fields = [("token", token)];
            let answer: Introspection =
                self.client.post_form("/v1/introspect", &fields).await.map_err(unavailable)?;
            return answer.claims.filter(|_| answer.active).ok_or_else(no_token);
        }
        let known = Arc::clone(&self.keys.lock().unwrap_or_else(PoisonError::into_inner));
        match self.verify(token, &known) {
            Err(TokenRefused::UnknownKey) => self.verify(token, &*self.fresh_keys().await?),
            checked => checked,
        }
        .map_err(|_| no_token())
    }

    fn verify(&self, token: &str, keys: &JwkSet) -> Result<Claims, TokenRefused> {
        verify(token, keys, &self.authenticator, &self.member, self.clock.epoch_seconds())
    }

    /// The keys as the authenticator publishes them now.
    async fn fresh_keys(&self) -> Result<Arc<JwkSet>, Refused> {
        let keys: JwkSet = self.client.get_json("/.well-known/jwks.json").await.map_err(unavailable)?;
        let keys = Arc::new(keys);
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&keys);
        Ok(keys)
    }
}

fn no_token() -> Refused {
    Refused::new(ProblemCode::NotAuthenticated, "no good token came with the request")
}

fn unavailable(error: CallError) -> Refused {
    Refused::new(ProblemCode::Unavailable, format!("the authenticator cannot be asked: {error}"))
}

struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the edge that the service gets the time from")]
    fn epoch_seconds(&self) -> i64 {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX)
    }
}
