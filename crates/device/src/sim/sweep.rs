//! Tries an act on a board, or on a world with a board in it, with its power cut at every moment.

use alloc::format;
use alloc::string::String;
use core::fmt::Debug;

use super::{Powered, Tear};

/// How often the power fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cuts {
    /// Once, at each word that is programmed and each block that is erased.
    Single,
    /// Once more in the retry, at each moment of it.
    Double,
}

const TEARS: [Tear; 4] = [Tear::Clean, Tear::Noisy(1), Tear::Noisy(2), Tear::Noisy(3)];

/// Runs `act` on `start` with every cut and returns how many runs that were. `act` says whether it
/// succeeded.
///
/// After each cut `state` must be that of before or that of after, never go back from the second to
/// the first, and a retry without a cut must succeed and end in the second.
///
/// # Errors
/// What was left that must not be.
///
/// # Panics
/// Where the act does not succeed although the power holds.
pub fn sweep<W, S>(
    start: &W,
    cuts: Cuts,
    act: impl Fn(&mut W) -> bool,
    state: impl Fn(&mut W) -> S,
) -> Result<u32, String>
where
    W: Powered,
    S: PartialEq + Debug,
{
    let old = state(&mut start.clone());
    let mut finished = start.clone();
    assert!(act(&mut finished), "the act succeeds where the power holds");
    let new = state(&mut finished);
    let mut runs = 0;

    // Cuts the power in one act, checks what the board then holds, and says whether that is the new
    // state. None: the act was over before its cut.
    let cut = |board: &mut W, at: u32, tear: Tear, was_new: bool| {
        board.supply().cut_after(at, tear);
        if act(board) {
            return Ok(None);
        }
        board.supply().restore();
        let seen = state(board);
        let is_new = seen == new;
        if is_new || (!was_new && seen == old) {
            return Ok(Some(is_new));
        }
        Err(format!("{tear:?} cut after {at} changes left {seen:?}"))
    };
    let retry = |mut board: W| {
        let is_done = act(&mut board);
        if is_done && state(&mut board) == new {
            Ok(())
        } else {
            Err(String::from("a retry did not mend it"))
        }
    };

    for tear in TEARS {
        for at in 0.. {
            let mut board = start.clone();
            let Some(is_new) = cut(&mut board, at, tear, false)? else { break };
            retry(board.clone())?;
            runs += 1;
            for second in 0.. {
                let mut board = board.clone();
                if cuts == Cuts::Single || cut(&mut board, second, tear, is_new)?.is_none() {
                    break;
                }
                retry(board)?;
                runs += 1;
            }
        }
    }
    Ok(runs)
}
