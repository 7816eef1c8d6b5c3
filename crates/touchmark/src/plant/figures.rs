//! The factory of source A's figures: product list (Fig. 19A), plan (Fig. 19B), and where its device
//! numbers begin (Fig. 20). The plan's first day is today.

use std::path::Path;

use anyhow::{Context, bail};
use gateway::plan::{File, PlanFile, parse};
use identity::profile::{CredentialProfile, Sealing, SymmetricForm};
use identity::{ProductCode, Serial};
use jiff::civil::Date;
use store::gateway::plan::Product;

use super::day::Order;
use super::{Blueprint, ProductBlueprint};

const PRODUCTS: &str = include_str!("../../../../examples/products.csv");
const PLAN: &str = include_str!("../../../../examples/plan.csv");

/// The year in which the figures' plan is; the days are moved anyway.
const YEAR: i16 = 2003;
/// Where the figures begin to number, and where a product begins that they do not number.
const FIRST_SERIALS: [(&str, &str); 2] = [("3012", "123456"), ("A123", "654321")];
const FIRST_SERIAL: &str = "100001";
const LAST_SERIAL: &str = "999999";

/// The product whose devices take a certificate and a symmetric credential, both sealed; the others
/// take a plain certificate.
const SEALED_PRODUCT: &str = "A123";

/// The plan of the figures, and what is to be made of it.
pub struct Figures {
    products: Vec<Product>,
    plan: PlanFile,
}

impl Figures {
    /// Reads the figures. With `units`, the first day's units of the products that take a credential are
    /// scaled to this sum.
    pub fn read(units: Option<u64>) -> anyhow::Result<Self> {
        let File::Products(products) = parse_example(PRODUCTS)? else { bail!("not a product list") };
        let File::Plan(plan) = parse_example(PLAN)? else { bail!("not a plan") };
        let mut figures = Self { products, plan };
        if let Some(units) = units {
            figures.scale_first_day(units);
        }
        Ok(figures)
    }

    /// What is to be made on the first day.
    pub fn orders(&self) -> anyhow::Result<Vec<Order>> {
        let mut orders = Vec::new();
        for row in self.plan.rows.iter().filter(|row| self.takes_certificate(&row.product)) {
            let units = row.units.first().copied().unwrap_or_default();
            orders.push(Order { product: row.product.clone(), first: first_serial(&row.product)?, units });
        }
        Ok(orders)
    }

    /// The plant that makes them, its first day on `today`.
    pub fn blueprint(&self, directory: &Path, today: Date) -> anyhow::Result<Blueprint> {
        let products = self
            .orders()?
            .into_iter()
            .map(|order| {
                let planned = self.plan.rows.iter().filter(|row| row.product == order.product);
                Ok(ProductBlueprint {
                    profile: profile(&order.product)?,
                    first: order.first,
                    last: LAST_SERIAL.parse()?,
                    quota: planned.flat_map(|row| &row.units).sum(),
                    code: order.product,
                })
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Blueprint {
            directory: directory.to_owned(),
            authority_store: String::new(),
            factory: "factory-e".parse()?,
            products,
            plan: [PRODUCTS.to_owned(), self.plan_from(today)?],
            days_ahead: 1,
        })
    }

    /// The plan as a file, moved so that its first day is `today`; days off stay off.
    fn plan_from(&self, today: Date) -> anyhow::Result<String> {
        let first = self.plan.days.first().context("the plan has no day")?;
        let mut text = String::from("DEVICE CODE");
        for day in &self.plan.days {
            text.push_str(&format!(",{}", today.checked_add(*day - *first)?));
        }
        for row in &self.plan.rows {
            text.push_str(&format!("\n{}", row.product));
            row.units.iter().for_each(|units| text.push_str(&format!(",{units}")));
        }
        Ok(text)
    }

    fn takes_certificate(&self, code: &ProductCode) -> bool {
        self.products.iter().any(|product| product.code == *code && product.takes_certificate)
    }

    fn scale_first_day(&mut self, units: u64) {
        let taking: Vec<bool> =
            self.plan.rows.iter().map(|row| self.takes_certificate(&row.product)).collect();
        let rows = self.plan.rows.iter_mut().zip(taking).filter(|(_, taking)| *taking);
        let mut first: Vec<&mut u64> = rows.filter_map(|(row, _)| row.units.first_mut()).collect();
        let planned: u64 = first.iter().map(|units| **units).sum();
        let mut left = units;
        for cell in &mut first {
            **cell = **cell * units / planned.max(1);
            left -= **cell;
        }
        // What rounding left over goes to the last product.
        if let Some(last) = first.last_mut() {
            **last += left;
        }
    }
}

fn parse_example(text: &str) -> anyhow::Result<File> {
    parse(text.as_bytes(), YEAR).map_err(|faults| {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("an example is wrong: {}", faults.join("; "))
    })
}

fn profile(product: &ProductCode) -> anyhow::Result<CredentialProfile> {
    let plain = CredentialProfile::PLAIN_CERTIFICATE;
    if product.as_str() != SEALED_PRODUCT {
        return Ok(plain);
    }
    Ok(CredentialProfile::new(plain.certificate(), Some(SymmetricForm::Opened), Sealing::PreWriteKey)?)
}

fn first_serial(product: &ProductCode) -> anyhow::Result<Serial> {
    let of_figures = FIRST_SERIALS.iter().find(|(code, _)| *code == product.as_str());
    Ok(of_figures.map_or(FIRST_SERIAL, |(_, serial)| serial).parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(figures: &Figures) -> Vec<(String, u64)> {
        let orders = figures.orders().unwrap();
        orders.into_iter().map(|order| (order.product.to_string(), order.units)).collect()
    }

    #[test]
    fn first_day_is_that_of_the_figures() {
        let figures = Figures::read(None).unwrap();
        assert_eq!(units(&figures), [("3012".into(), 1_000), ("A123".into(), 2_120)]);
    }

    #[test]
    fn any_number_of_units_is_shared_out_whole() {
        for wanted in [1, 2, 3, 10, 99, 3_120, 3_121, 100_000] {
            let figures = Figures::read(Some(wanted)).unwrap();
            assert_eq!(units(&figures).iter().map(|(_, units)| units).sum::<u64>(), wanted);
        }
    }

    #[test]
    fn days_off_stay_off_when_the_plan_is_moved() {
        let plan = Figures::read(None).unwrap().plan_from("2026-12-30".parse().unwrap()).unwrap();
        let heading = plan.lines().next().unwrap();
        assert!(heading.starts_with("DEVICE CODE,2026-12-30,2026-12-31,2027-01-01,2027-01-02,2027-01-06"));
        assert!(plan.contains("\nA125,2000,2001,"));
    }
}
