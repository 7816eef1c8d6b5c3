//! What the states of a credential are called.

use crate::Text;

/// A state.
pub const INTENDED: Text = Text::new("Reserved", "予約");
/// A state.
pub const ISSUED: Text = Text::new("Issued", "発行済み");
/// A state.
pub const STOCKED: Text = Text::new("In stock", "在庫");
/// A state.
pub const LEASED: Text = Text::new("Leased", "貸出中");
/// A state.
pub const WRITTEN: Text = Text::new("Written", "書込み済み");
/// A state.
pub const VERIFIED: Text = Text::new("Verified", "確認済み");
/// A state.
pub const SUSPECT: Text = Text::new("Suspect", "要確認");
/// A state.
pub const VOIDED: Text = Text::new("Void", "無効");
/// A state.
pub const ABANDONED: Text = Text::new("Abandoned", "取消し");
