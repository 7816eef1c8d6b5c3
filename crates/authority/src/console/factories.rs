//! Factories and what they may make. A quota goes down at once, and up when a second person agrees.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use console::catalogue::{authority as texts, common};
use console::{
    Failure, Form, ListQuery, Markup, Status, Table, Visit, choice_field, notice, submit, text_field,
};
use identity::{MemberName, ProductCode};
use maud::html;
use serde::Deserialize;
use staff::{Permission, SignedIn};
use store::authority::allotment;

use super::{Pages, overview};
use crate::approved::Proposal;
use crate::error::AuthorityError;

pub(super) fn routes() -> Router<Pages> {
    Router::new()
        .route("/factories", get(factories))
        .route("/factories/add", post(add))
        .route("/factories/quota", post(change_quota))
}

async fn factories(
    State(pages): State<Pages>,
    visit: Visit,
    signed: SignedIn,
    query: ListQuery,
) -> Result<Response, Failure> {
    let mut snapshot = pages.desk().store.read().await.map_err(AuthorityError::from)?;
    let allotted = allotment::all(&mut snapshot).await.map_err(AuthorityError::from)?;
    let names = allotment::factories(&mut snapshot).await.map_err(AuthorityError::from)?;
    drop(snapshot);
    let products: Vec<_> = pages.desk().products().await?.into_iter().map(|product| product.code).collect();
    let table = Table::new("factories", texts::FACTORIES, overview::columns());
    Ok(table.answer_all(&visit, &query, allotted, |table| {
        visit.page(
            texts::FACTORIES,
            html! {
                (table)
                div .columns {
                    @if signed.may(Permission::Secure) { (quota_form(&visit, &names, &products)) }
                    @if signed.may(Permission::Engineer) { (factory_form(&visit)) }
                }
            },
        )
    }))
}

fn quota_form(visit: &Visit, factories: &[MemberName], products: &[ProductCode]) -> Markup {
    let same = |text: String| (text.clone(), text);
    let factories: Vec<_> = factories.iter().map(|name| same(name.to_string())).collect();
    let products: Vec<_> = products.iter().map(|code| same(code.to_string())).collect();
    html! {
        div .card {
            h2 { (visit.t(texts::CHANGE_QUOTA)) }
            p .lead { (visit.t(texts::CHANGE_QUOTA_HELP)) }
            (visit.form("/factories/quota", html! {
                (choice_field(visit.t(texts::FACTORY), "factory", &factories, ""))
                (choice_field(visit.t(common::PRODUCT), "product", &products, ""))
                (text_field(visit.t(texts::NEW_QUOTA), "quota", "number", "", None))
                (submit(visit.t(texts::CHANGE), "primary"))
            }))
        }
    }
}

fn factory_form(visit: &Visit) -> Markup {
    html! {
        div .card {
            h2 { (visit.t(texts::ADD_FACTORY)) }
            (visit.form("/factories/add", html! {
                (text_field(visit.t(texts::NAME), "name", "text", "", None))
                (submit(visit.t(texts::ADD), ""))
            }))
        }
    }
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

async fn add(
    State(pages): State<Pages>,
    signed: SignedIn,
    Form(named): Form<Named>,
) -> Result<Response, Failure> {
    signed.require(Permission::Engineer)?;
    let name: MemberName = named.name.trim().parse().map_err(|error| Failure::Refused(format!("{error}")))?;
    pages.desk().add_factory(&name, &signed.actor()).await?;
    Ok(Redirect::to("/factories").into_response())
}

#[derive(Deserialize)]
struct NewQuota {
    factory: MemberName,
    product: ProductCode,
    quota: u64,
}

async fn change_quota(
    State(pages): State<Pages>,
    visit: Visit,
    signed: SignedIn,
    Form(NewQuota { factory, product, quota }): Form<NewQuota>,
) -> Result<Response, Failure> {
    signed.require(Permission::Secure)?;
    let desk = pages.desk();
    let mut snapshot = desk.store.read().await.map_err(AuthorityError::from)?;
    let found = allotment::find(&mut snapshot, &factory, &product).await.map_err(AuthorityError::from)?;
    drop(snapshot);
    let before = found.map_or(0, |allotted| allotted.quota);
    let text = if quota > before {
        let proposal = Proposal::RaiseQuota { factory, product, from: before, to: quota };
        let id = desk.propose(&proposal, signed.name()).await?;
        visit.fill(texts::PROPOSED, &[&id])
    } else {
        desk.lower_quota(&factory, &product, quota, &signed.actor()).await?;
        visit.t(texts::CHANGED).to_owned()
    };
    Ok(visit.page(
        texts::CHANGE_QUOTA,
        html! {
            (notice(&visit, Status::Good, html! { (text) }))
            p { a href="/factories" { (visit.t(common::BACK)) } }
        },
    ))
}
