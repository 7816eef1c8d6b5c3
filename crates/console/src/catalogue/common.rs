//! What the pages of every role say.

use crate::Text;

/// The product's name.
pub const TOUCHMARK: Text = Text::new("touchmark", "touchmark");
/// Link over the navigation.
pub const SKIP_TO_CONTENT: Text = Text::new("Skip to content", "本文へ移動");
/// Name of the navigation.
pub const NAVIGATION: Text = Text::new("Main navigation", "メインナビゲーション");
/// Name of the switch.
pub const LANGUAGE: Text = Text::new("Language", "言語");
/// Name of the switch.
pub const THEME: Text = Text::new("Appearance", "表示");
/// As the system has it.
pub const THEME_SYSTEM: Text = Text::new("System", "システム");
/// Light.
pub const THEME_LIGHT: Text = Text::new("Light", "ライト");
/// Dark.
pub const THEME_DARK: Text = Text::new("Dark", "ダーク");
/// A button.
pub const SIGN_OUT: Text = Text::new("Sign out", "サインアウト");
/// A button over a table.
pub const FILTER: Text = Text::new("Filter", "絞り込み");
/// A link over a table.
pub const CLEAR_FILTER: Text = Text::new("Clear", "解除");
/// A link over a table.
pub const EXPORT_CSV: Text = Text::new("Export CSV", "CSV 出力");
/// Rows shown.
pub const ROWS_OF: Text = Text::new("{0} to {1} of {2}", "{2} 件中 {0}〜{1} 件");
/// Below a table.
pub const NEXT_PAGE: Text = Text::new("Next", "次へ");
/// Below a table.
pub const PREVIOUS_PAGE: Text = Text::new("Previous", "前へ");
/// Name of the links below a table.
pub const PAGES: Text = Text::new("Pages of {0}", "{0} のページ");
/// A table without rows.
pub const NOTHING_HERE: Text = Text::new("Nothing to show.", "該当するものはありません。");
/// Below a chart.
pub const AS_A_TABLE: Text = Text::new("Show as a table", "表で表示");
/// State of a live part.
pub const LIVE: Text = Text::new("Live", "ライブ");
/// State of a live part.
pub const NOT_LIVE: Text = Text::new("Connection lost, trying again", "接続が切れました。再接続しています");
/// Title of a page.
pub const NOT_FOUND: Text = Text::new("Page not found", "ページが見つかりません");
/// On that page.
pub const NOT_FOUND_HELP: Text = Text::new(
    "There is nothing at {0}. Choose a page from the navigation.",
    "{0} には何もありません。メニューからページを選んでください。",
);
/// Title of a page.
pub const FORGED: Text = Text::new("This form is out of date", "このフォームは期限切れです");
/// On that page.
pub const FORGED_HELP: Text = Text::new(
    "Nothing was changed. Go back, load the page again and repeat what you did.",
    "変更は行われていません。前のページに戻って再読み込みし、もう一度操作してください。",
);
/// Title of a page.
pub const FAILED: Text = Text::new("This did not work", "処理できませんでした");
/// On that page.
pub const FAILED_HELP: Text = Text::new(
    "The service failed. Its log says why. Try again in a moment.",
    "サービスでエラーが発生しました。詳細はログをご確認のうえ、しばらくしてからもう一度お試しください。",
);
/// A button that leads back.
pub const BACK: Text = Text::new("Back", "戻る");
/// A status, said beside its colour.
pub const GOOD: Text = Text::new("OK", "正常");
/// A status, said beside its colour.
pub const WARNING: Text = Text::new("Attention", "注意");
/// A status, said beside its colour.
pub const BAD: Text = Text::new("Fault", "異常");
/// A status, said beside its colour.
pub const INFORMATION: Text = Text::new("Note", "情報");
/// A column.
pub const DEVICE_NUMBER: Text = Text::new("Device number", "機器番号");
/// A column.
pub const PRODUCT: Text = Text::new("Product", "製品");
/// A column.
pub const STATE: Text = Text::new("State", "状態");
/// A column.
pub const TIME: Text = Text::new("Time", "日時");
/// A column.
pub const REASON: Text = Text::new("Reason", "理由");
/// A column.
pub const ACTION: Text = Text::new("Action", "操作");
/// Title of a page.
pub const REFUSED: Text = Text::new("This was refused", "受け付けられませんでした");
/// On that page.
pub const REFUSED_HELP: Text = Text::new("Nothing was changed.", "変更は行われていません。");
/// Title of a page.
pub const FORBIDDEN: Text = Text::new("Not yours to do", "権限がありません");
/// On that page.
pub const FORBIDDEN_HELP: Text = Text::new(
    "None of your roles permits this, and nothing was changed. Ask someone whose role does.",
    "あなたの役割ではこの操作は許可されていません。変更は行われていません。権限のある担当者に依頼してください。",
);
