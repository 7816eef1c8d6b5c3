//! Which products' devices may manage others, and which device speaks for which.

use axum::extract::State;
use console::catalogue::center as texts;
use console::{
    Cell, Column, Form, ListQuery, Markup, Status, Table, Visit, choice_field, hidden, html, submit,
    text_field,
};
use identity::ProductCode;
use serde::Deserialize;
use staff::{Permission, SignedIn};
use store::center::managed::{self, Approval, Relation};

use super::{Answer, Here, done, malformed};

/// How many relations are shown; the last that changed.
const RELATIONS: u32 = 10_000;

/// Which product's devices may manage others, and who approves.
#[derive(Deserialize)]
pub(super) struct Marked {
    product: String,
    approval: String,
}

/// Whether a device speaks for another.
#[derive(Deserialize)]
pub(super) struct Related {
    device: String,
    intermediate: String,
    speaks: bool,
}

/// `GET /intermediates`
pub(super) async fn page(
    visit: Visit,
    signed: SignedIn,
    query: ListQuery,
    State(here): State<Here>,
) -> Answer {
    let products = here.desk.intermediate_products().await?;
    let relations = here.desk.relations(None, RELATIONS).await?;
    let may_engineer = signed.may(Permission::Engineer);
    let table = Table::new("intermediates", texts::RELATIONS, columns(&visit, may_engineer));
    Ok(table.answer_all(&visit, &query, relations, |table| {
        visit.page(texts::INTERMEDIATES, html! {
            p .lead { (visit.t(texts::INTERMEDIATES_LEAD)) }
            h2 { (visit.t(texts::INTERMEDIATE_PRODUCTS)) }
            (Table::new("products", texts::INTERMEDIATE_PRODUCTS, product_columns(&visit)).show_all(&visit, &products))
            @if may_engineer { (form(&visit)) }
            h2 { (visit.t(texts::RELATIONS)) }
            (table)
        })
    }))
}

/// `POST /intermediates`
pub(super) async fn mark(signed: SignedIn, State(here): State<Here>, Form(marked): Form<Marked>) -> Answer {
    signed.require(Permission::Engineer)?;
    let product: ProductCode = marked.product.trim().parse().map_err(malformed)?;
    let approval = match marked.approval.as_str() {
        "none" => None,
        word => Some(word.parse::<Approval>().map_err(malformed)?),
    };
    here.desk.mark_intermediate(product, approval, &signed.actor()).await?;
    done("/intermediates")
}

/// `POST /intermediates/relation`
pub(super) async fn relate(
    signed: SignedIn,
    State(here): State<Here>,
    Form(related): Form<Related>,
) -> Answer {
    signed.require(Permission::Engineer)?;
    let device = related.device.parse().map_err(malformed)?;
    let intermediate = related.intermediate.parse().map_err(malformed)?;
    here.desk.manage(device, intermediate, related.speaks, &signed.actor()).await?;
    done("/intermediates")
}

fn approval_name(approval: Approval) -> console::Text {
    match approval {
        Approval::Person => texts::APPROVAL_PERSON,
        Approval::Automatic => texts::APPROVAL_AUTOMATIC,
    }
}

fn product_columns(visit: &Visit) -> Vec<Column<'_, (ProductCode, Approval)>> {
    vec![
        Column::new("product", texts::PRODUCT, |(product, _): &(ProductCode, Approval)| Cell::text(product)),
        Column::new("approval", texts::APPROVED_BY, |(_, approval): &(ProductCode, Approval)| {
            Cell::text(visit.t(approval_name(*approval)))
        }),
    ]
}

fn columns(visit: &Visit, may_engineer: bool) -> Vec<Column<'_, Relation>> {
    let decide = move |relation: &Relation| {
        let form = |speaks: bool, text, class| {
            visit.form(
                "/intermediates/relation",
                html! {
                    (hidden("device", &relation.device.to_string()))
                    (hidden("intermediate", &relation.intermediate.to_string()))
                    (hidden("speaks", if speaks { "true" } else { "false" }))
                    (submit(visit.t(text), class))
                },
            )
        };
        match relation.state {
            _ if !may_engineer => Cell::nothing(),
            managed::State::Approved => Cell::markup(form(false, texts::END_RELATION, "small"), ""),
            managed::State::Requested | managed::State::Ended => {
                Cell::markup(form(true, texts::APPROVE_RELATION, "small"), "")
            }
        }
    };
    vec![
        Column::new("device", texts::MANAGED_DEVICE, |relation: &Relation| Cell::device(&relation.device))
            .sortable(),
        Column::new("intermediate", texts::INTERMEDIATE, |relation: &Relation| {
            Cell::device(&relation.intermediate)
        })
        .sortable(),
        Column::new("state", texts::STATE, |relation: &Relation| {
            let (status, text) = match relation.state {
                managed::State::Requested => (Status::Warning, texts::RELATION_REQUESTED),
                managed::State::Approved => (Status::Good, texts::RELATION_APPROVED),
                managed::State::Ended => (Status::Neutral, texts::RELATION_ENDED),
            };
            Cell::status(status, visit.t(text))
        })
        .sortable(),
        Column::new("changed", texts::CHANGED, |relation: &Relation| visit.time_cell(Some(relation.changed)))
            .sortable(),
        Column::new("decide", texts::ACTION, decide),
    ]
}

fn form(visit: &Visit) -> Markup {
    let choices = [
        ("person", texts::APPROVAL_PERSON),
        ("automatic", texts::APPROVAL_AUTOMATIC),
        ("none", texts::APPROVAL_NONE),
    ];
    let choices = choices.map(|(word, text)| (word.to_owned(), visit.t(text).to_owned()));
    html! {
        details .card {
            summary { (visit.t(texts::SET_INTERMEDIATE_PRODUCT)) }
            (visit.form("/intermediates", html! {
                div .inline {
                    (text_field(visit.t(texts::PRODUCT), "product", "text", "", None))
                    (choice_field(visit.t(texts::APPROVED_BY), "approval", &choices, "person"))
                    (submit(visit.t(texts::SET), "primary"))
                }
            }))
        }
    }
}
