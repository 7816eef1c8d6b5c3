//! The figures of an operator's shift. A small file each keeps them over a restart, and while others are signed on.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use identity::MemberName;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// A shift is over when its operator has been away for so long.
const SHIFT_SECONDS_MAX: i64 = 12 * 60 * 60;

/// The takt is the middle one of so many last intervals from good device to good device, so that a break
/// does not spoil it.
const INTERVALS: usize = 15;

/// What was done in a shift.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Figures {
    /// Devices that were written, proved and filed.
    pub good: u64,
    /// Devices that had to be set aside.
    pub failed: u64,
    /// Devices that were scrapped.
    pub scrapped: u64,
}

impl Figures {
    /// The share of good devices in percent, once there is any device.
    pub fn yield_percent(&self) -> Option<u64> {
        (self.good * 100).checked_div(self.good + self.failed)
    }
}

/// An operator's shift.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Kept {
    since: i64,
    figures: Figures,
}

/// The shift that goes on.
#[derive(Clone, Debug)]
pub struct Shift {
    file: PathBuf,
    kept: Kept,
    good_at: Option<Instant>,
    intervals: Vec<Duration>,
}

impl Shift {
    /// The shift of this operator: the one that their file in the directory keeps, unless it is over.
    pub fn begin(directory: &Path, operator: &MemberName, now: i64) -> Self {
        let file = directory.join(format!("shift-{operator}.json"));
        let kept = std::fs::read(&file).ok().and_then(|text| serde_json::from_slice::<Kept>(&text).ok());
        let kept = kept.filter(|kept| now - kept.since < SHIFT_SECONDS_MAX);
        let new = || Kept { since: now, figures: Figures::default() };
        Self { file, kept: kept.unwrap_or_else(new), good_at: None, intervals: Vec::new() }
    }

    /// Its figures.
    pub fn figures(&self) -> &Figures {
        &self.kept.figures
    }

    /// How long a device takes, once there were two.
    pub fn takt(&self) -> Option<Duration> {
        let mut intervals = self.intervals.clone();
        intervals.sort_unstable();
        intervals.get(intervals.len() / 2).copied()
    }

    /// One more good device.
    pub fn count_good(&mut self) -> io::Result<()> {
        let now = Instant::now();
        if let Some(before) = self.good_at.replace(now) {
            self.intervals.push(now - before);
            self.intervals.drain(..self.intervals.len().saturating_sub(INTERVALS));
        }
        self.kept.figures.good += 1;
        self.keep()
    }

    /// One more device that is set aside.
    pub fn count_failed(&mut self) -> io::Result<()> {
        self.kept.figures.failed += 1;
        self.keep()
    }

    /// One of them was scrapped.
    pub fn count_scrapped(&mut self) -> io::Result<()> {
        self.kept.figures.scrapped += 1;
        self.keep()
    }

    fn keep(&self) -> io::Result<()> {
        let new = self.file.with_extension("new");
        std::fs::write(&new, serde_json::to_vec(&self.kept)?)?;
        std::fs::rename(&new, &self.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn figures_are_an_operators_go_on_after_a_restart_and_begin_anew_another_day() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let (sato, ito) = ("sato".parse().unwrap(), "ito".parse().unwrap());
        let mut shift = Shift::begin(directory, &sato, 1_000);
        assert_eq!((shift.figures().yield_percent(), shift.takt()), (None, None));
        for seconds in [30, 20, 4_000, 20] {
            shift.count_good().unwrap();
            tokio::time::advance(Duration::from_secs(seconds)).await;
        }
        shift.count_good().unwrap();
        shift.count_failed().unwrap();
        shift.count_scrapped().unwrap();
        assert_eq!(*shift.figures(), Figures { good: 5, failed: 1, scrapped: 1 });
        assert_eq!(shift.figures().yield_percent(), Some(83));
        assert_eq!(shift.takt(), Some(Duration::from_secs(30)), "the break does not count");

        let mut others = Shift::begin(directory, &ito, 2_000);
        assert_eq!(*others.figures(), Figures::default());
        others.count_good().unwrap();
        assert_eq!(Shift::begin(directory, &sato, 2_000).figures(), shift.figures());
        assert_eq!(*Shift::begin(directory, &sato, 1_000 + SHIFT_SECONDS_MAX).figures(), Figures::default());
    }
}
