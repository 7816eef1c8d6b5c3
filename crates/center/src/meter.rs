//! How a counter is counted: what it stands at counts from what it stood at before.
//!
//! A counter only rises. A reading below the one before, and all that follow it, are held until a person
//! has decided from where they count; nothing that is held is billed. The serving center and the replay of
//! its journal decide by this same code.

/// A counter as it is counted. A new one counts from zero, as it left the factory.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Meter {
    /// What the next reading counts from.
    pub base: u64,
    /// Whether readings wait for a decision.
    pub is_held: bool,
}

impl Meter {
    /// Takes a reading: what it counts from, or none where it is held.
    pub fn read(&mut self, value: u64) -> Option<u64> {
        self.is_held |= value < self.base;
        (!self.is_held).then(|| std::mem::replace(&mut self.base, value))
    }

    /// Lets the readings that are held count from `base`: what each counts from, in order. From the first
    /// on that is below the one before, they are still held.
    pub fn release(&mut self, base: u64, held: &[u64]) -> Vec<u64> {
        self.set(base);
        held.iter().map_while(|value| self.read(*value)).collect()
    }

    /// The counter was set to a value on purpose: it counts from there, and what was held counts for nothing.
    pub fn set(&mut self, value: u64) {
        *self = Self { base: value, is_held: false };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_decrease_and_all_after_it_wait_until_they_are_released() {
        let mut meter = Meter::default();
        assert_eq!([100, 100, 150].map(|value| meter.read(value)), [Some(0), Some(100), Some(100)]);
        assert_eq!([149, 200, 10, 30].map(|value| meter.read(value)), [None; 4]);
        assert_eq!(meter.release(140, &[149, 200, 10, 30]), [140, 149], "10 is below 200 again");
        assert_eq!(meter.release(0, &[10, 30]), [0, 10]);
        assert_eq!(meter.read(31), Some(30));
    }

    #[test]
    fn a_counter_that_was_set_counts_from_there() {
        let mut meter = Meter { base: 100, is_held: true };
        meter.set(7);
        assert_eq!(meter.read(9), Some(7));
    }

    proptest! {
        /// Whatever is read and released, what counts adds up to where the base went.
        #[test]
        fn what_counts_adds_up(readings in prop::collection::vec(0u64..50, 1..40), base in 0u64..50) {
            let mut meter = Meter::default();
            let mut counted = 0;
            let mut held = Vec::new();
            for value in &readings {
                match meter.read(*value) {
                    Some(from) => counted += value - from,
                    None => held.push(*value),
                }
            }
            prop_assert_eq!(counted, meter.base);
            prop_assert_eq!(meter.is_held, !held.is_empty());
            let released: u64 = meter.release(base, &held).iter().zip(&held).map(|(from, to)| to - from).sum();
            prop_assert_eq!(base + released, meter.base);
        }
    }
}
