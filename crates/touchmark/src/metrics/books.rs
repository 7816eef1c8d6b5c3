//! How the books of each role stand.

use std::sync::Arc;

use authenticator::Authenticator;
use authority::Authority;
use center::Desk;
use gateway::Gateway;
use identity::Clock;
use store::feed::Position;

use super::Figures;

/// What was issued and what became of it, by factory and product.
pub async fn of_authority(authority: Arc<Authority>) -> anyhow::Result<Figures> {
    let status = authority.desk().status().await?;
    let mut figures = Figures::default();
    for of in &status.factories {
        let (factory, product) = (&of.factory, &of.product);
        figures.add("touchmark_quota", &[("factory", factory), ("product", product)], of.quota);
        for (kind, issued, states) in
            [("certificate", of.issued, &of.states), ("symmetric", of.apparatuses, &of.apparatus_states)]
        {
            let labels: [(_, &dyn ToString); 3] =
                [("factory", factory), ("product", product), ("credential", &kind)];
            figures.add("touchmark_issued", &labels, issued);
            for (state, count) in states {
                let [factory, product, kind] = labels;
                let labels = [factory, product, kind, ("state", state as &dyn ToString)];
                figures.add("touchmark_credentials", &labels, *count);
            }
        }
    }
    for member in &status.members {
        figures.add("touchmark_records_taken", &[("member", &member.member)], member.records);
    }
    figures.add("touchmark_conserved", &[], status.conserved.into());
    Ok(figures)
}

/// Stock, what is in work, and what waits.
pub async fn of_gateway(gateway: Arc<Gateway>) -> anyhow::Result<Figures> {
    let status = gateway.desk().status().await?;
    let mut figures = Figures::default();
    for of in &status.products {
        let labels: [(_, &dyn ToString); 2] = [("product", &of.product), ("credential", &of.credential)];
        for (name, count) in [
            ("touchmark_reserved", of.reserved),
            ("touchmark_stock", of.stocked),
            ("touchmark_leased", of.leased),
            ("touchmark_written", of.written),
            ("touchmark_verified", of.verified),
            ("touchmark_suspect", of.suspect),
            ("touchmark_voided", of.voided),
            ("touchmark_planned_ahead", of.planned_ahead),
        ] {
            figures.add(name, &labels, count);
        }
    }
    figures.add("touchmark_outbox", &[], status.outbox);
    figures.add("touchmark_parked", &[], status.parked.len() as u64);
    Ok(figures)
}

/// The register, and how far it follows the authority.
pub async fn of_authenticator(
    authenticator: Arc<Authenticator>,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Figures> {
    let status = authenticator.register().status().await?;
    let mut figures = Figures::default();
    let counts = [("registered", status.apparatuses.registered), ("revoked", status.apparatuses.revoked)];
    for (state, count) in counts {
        figures.add("touchmark_apparatuses", &[("state", &state)], count.unsigned_abs());
    }
    figures.add("touchmark_nonces", &[], status.nonces);
    figures.add_feed(&status.feed, &*clock);
    Ok(figures)
}

/// The fleet, the journal of its calls, and what needs a person.
pub async fn of_center(desk: Desk, clock: Arc<dyn Clock>) -> anyhow::Result<Figures> {
    let status = desk.status().await?;
    let mut figures = Figures::default();
    for (state, count) in &status.devices {
        figures.add("touchmark_devices", &[("state", state)], *count);
    }
    for (kind, count) in &status.incidents {
        figures.add("touchmark_incidents", &[("kind", kind)], *count);
    }
    let held = status.held.iter().map(|(_, _, readings)| readings).sum();
    figures.add("touchmark_held_readings", &[], held);
    figures.add("touchmark_quarantined", &[], status.quarantined);
    figures.add("touchmark_device_requests", &[], status.requests);
    figures.add("touchmark_journal_entries", &[], status.journal.id);
    figures.add_feed(&status.feed, &*clock);
    Ok(figures)
}

impl Figures {
    /// How far a role follows the authority, and for how long it has not heard it.
    fn add_feed(&mut self, feed: &Position, clock: &dyn Clock) {
        self.add("touchmark_feed_records", &[], feed.sequence);
        if let Some(heard) = feed.heard {
            let silent = clock.epoch_seconds().saturating_sub(heard).max(0);
            self.add("touchmark_feed_silent_seconds", &[], silent.unsigned_abs());
        }
    }
}
