//! What a station says to its operator. A sentence about a failure says what to do.

use crate::Text;

/// The role's name.
pub const STATION: Text = Text::new("Station", "書込ステーション");

/// Title before anyone has signed on.
pub const SIGN_ON: Text = Text::new("Scan your badge", "バッジをスキャンしてください");
/// Label of that field.
pub const BADGE: Text = Text::new("Badge", "バッジ");
/// Below it, where the station has never heard of an operator.
pub const NO_OPERATORS: Text = Text::new(
    "This station knows no badge yet: have one made at the gateway, and wait until the gateway is reached.",
    "登録済みのバッジがありません。ゲートウェイでバッジを発行し、接続されるまでお待ちください。",
);
/// After a badge that is not good.
pub const BADGE_UNKNOWN: Text = Text::new(
    "This badge is not known here: scan it again, or call the supervisor.",
    "このバッジは登録されていません。もう一度スキャンするか、班長を呼んでください。",
);
/// A button.
pub const SIGN_ON_BUTTON: Text = Text::new("Sign on", "サインオン");

/// What is to be done next.
pub const READY: Text = Text::new("Scan the rating plate", "銘板をスキャンしてください");
/// Label of the scanned text.
pub const SCAN: Text = Text::new("Scan", "スキャン");
/// While a device is written.
pub const WRITING: Text = Text::new("Writing", "書込中");
/// Beside it.
pub const WAIT: Text = Text::new("Leave the device on the port.", "機器を接続したままお待ちください。");
/// Green.
pub const GREEN: Text = Text::new("OK", "合格");
/// Below green.
pub const GREEN_NEXT: Text =
    Text::new("Pass it on. Scan the next plate.", "次工程へ送り、次の銘板をスキャンしてください。");
/// Red, where the device may be scanned again.
pub const RED: Text = Text::new("STOP", "停止");
/// Red, where the device must be set aside.
pub const RED_ASIDE: Text = Text::new("SET ASIDE", "隔離");
/// Red, where the device is of no use.
pub const RED_SCRAP: Text = Text::new("SCRAP", "廃棄");
/// The device was scrapped.
pub const SCRAPPED: Text = Text::new("SCRAPPED", "廃棄済み");
/// Below that; who did it.
pub const SCRAPPED_BY: Text =
    Text::new("Put it into the scrap box. By {0} and {1}.", "廃棄箱に入れてください。担当: {0}、{1}");
/// What the second person is to do.
pub const SECOND_BADGE: Text = Text::new("Second badge", "二人目のバッジ");
/// Below that.
pub const SECOND_BADGE_HELP: Text = Text::new(
    "Another person scans their badge to scrap {0}.",
    "{0} を廃棄するには、別の担当者がバッジをスキャンしてください。",
);
/// While the gateway is asked.
pub const SCRAPPING: Text = Text::new("Scrapping", "廃棄処理中");
/// After the badge of the one who is signed on.
pub const SAME_PERSON: Text =
    Text::new("It must be another person's badge.", "サインオン中の方とは別の方のバッジが必要です。");
/// After a badge that the gateway does not take.
pub const BADGE_REFUSED: Text = Text::new(
    "The gateway does not take this badge: another person scans theirs.",
    "このバッジは受け付けられません。別の担当者がスキャンしてください。",
);
/// Where the gateway does not answer.
pub const SCRAP_LATER: Text = Text::new(
    "The gateway does not answer: set the device aside and scrap it later.",
    "ゲートウェイが応答しません。機器を隔離し、後で廃棄してください。",
);
/// Where the gateway refuses for another reason; its word.
pub const SCRAP_REFUSED: Text = Text::new(
    "The gateway does not scrap it ({0}): set it aside for the supervisor.",
    "ゲートウェイが廃棄を受け付けません ({0})。隔離して班長に渡してください。",
);

/// A step of a write.
pub const STEP_PLATE: Text = Text::new("Plate read", "銘板読取");
/// A step of a write.
pub const STEP_DEVICE: Text = Text::new("Device found", "機器確認");
/// A step of a write.
pub const STEP_PACK: Text = Text::new("Identity fetched", "証明書取得");
/// A step of a write.
pub const STEP_WRITE: Text = Text::new("Written and proved", "書込・検証");
/// A step of a write.
pub const STEP_FILE: Text = Text::new("Filed", "登録");
/// Name of the list of steps.
pub const STEPS: Text = Text::new("Progress", "進行状況");
/// Said of a step, beside its sign.
pub const STEP_DONE: Text = Text::new("done", "完了");
/// Said of a step, beside its sign.
pub const STEP_NOW: Text = Text::new("now", "実行中");
/// Said of a step, beside its sign.
pub const STEP_NOT_REACHED: Text = Text::new("to come", "未実施");
/// What the picture shows.
pub const PICTURE: Text = Text::new("Where the rating plate is on {0}", "{0} の銘板の位置");
/// The same, before there was a scan.
pub const PICTURE_ANY: Text = Text::new("Where the rating plate is", "銘板の位置");

/// A figure of the shift.
pub const GOOD_UNITS: Text = Text::new("Good", "良品");
/// A figure of the shift.
pub const FAILED_UNITS: Text = Text::new("Failed", "不良");
/// A figure of the shift.
pub const SCRAPPED_UNITS: Text = Text::new("Scrapped", "廃棄");
/// A figure of the shift.
pub const YIELD: Text = Text::new("Yield", "良品率");
/// A figure of the shift.
pub const TAKT: Text = Text::new("Takt", "タクト");
/// So many seconds.
pub const SECONDS: Text = Text::new("{0} s", "{0} 秒");
/// So many percent.
pub const PERCENT: Text = Text::new("{0} %", "{0} %");
/// Name of the figures.
pub const SHIFT: Text = Text::new("This shift", "このシフト");

/// A button.
pub const SCRAP: Text = Text::new("Scrap", "廃棄する");
/// A button.
pub const CANCEL: Text = Text::new("Cancel", "取消");
/// A button.
pub const SIGN_OFF: Text = Text::new("Sign off", "サインオフ");
/// Who is signed on.
pub const OPERATOR: Text = Text::new("Operator", "担当者");

/// Name of the line about it.
pub const GATEWAY: Text = Text::new("Gateway", "ゲートウェイ");
/// How the gateway is.
pub const GATEWAY_REACHED: Text = Text::new("Gateway connected", "ゲートウェイ接続中");
/// How the gateway is.
pub const GATEWAY_NOT_TRIED: Text = Text::new("Looking for the gateway", "ゲートウェイに接続しています");
/// How the gateway is, and for how long.
pub const GATEWAY_LOST: Text = Text::new("Gateway unreachable for {0}", "ゲートウェイ接続断 {0}");
/// What works all the same.
pub const GATEWAY_LOST_HELP: Text = Text::new(
    "No new device can be started. A write under way is finished, and its result is kept here and delivered later.",
    "新しい機器の書込は開始できません。書込中の機器は最後まで処理し、結果は保存して後で送信します。",
);
/// How many results wait.
pub const WAITING: Text = Text::new("Results waiting: {0}", "未送信の結果: {0} 件");
/// Nothing here is for production.
pub const REHEARSAL: Text = Text::new("REHEARSAL — not production", "リハーサル中 — 本番ではありません");
/// The page no longer hears from its station.
pub const PAGE_LOST: Text = Text::new(
    "This screen has lost its station. Scan nothing; call the supervisor if it does not come back.",
    "画面とステーションの接続が切れました。スキャンせず、復旧しない場合は班長を呼んでください。",
);

/// A failure.
pub const PLATE: Text = Text::new(
    "The scan is not a good plate ({0}): scan the plate again.",
    "銘板を正しく読み取れません ({0})。もう一度スキャンしてください。",
);
/// Why a plate is not good.
pub const PLATE_SHAPE: Text =
    Text::new("no device number at character {0}", "{0} 文字目が機器番号の形式に合いません");
/// Why a plate is not good.
pub const PLATE_NO_CHECK_DIGIT: Text =
    Text::new("the check character after the serial is missing", "チェック文字がありません");
/// Why a plate is not good.
pub const PLATE_WRONG_CHECK_DIGIT: Text =
    Text::new("the check character does not fit the number", "チェック文字が番号と一致しません");
/// A failure.
pub const PORT_SILENT: Text = Text::new(
    "No device answers on the port: check cable and power, and scan again.",
    "機器が応答しません。ケーブルと電源を確認し、もう一度スキャンしてください。",
);
/// A failure.
pub const WRONG_PRODUCT: Text = Text::new(
    "The plate says {0} and the device is {1}: put the right plate on it and scan that.",
    "銘板は {0}、機器は {1} です。正しい銘板を貼り、スキャンしてください。",
);
/// A failure.
pub const HOLDS_ANOTHER: Text = Text::new(
    "This device is finished as {0}: put that plate on it, or set it aside.",
    "この機器は {0} として完成済みです。その銘板を貼るか、隔離してください。",
);
/// A failure.
pub const ALREADY_FINISHED: Text = Text::new(
    "This device is finished as {0} already: pass it on.",
    "この機器は {0} として完成済みです。次工程へ送ってください。",
);
/// A failure.
pub const GATEWAY_SILENT: Text = Text::new(
    "The gateway does not answer: wait a moment and scan again.",
    "ゲートウェイが応答しません。少し待ってから、もう一度スキャンしてください。",
);
/// A failure.
pub const AUTHORITY_SILENT: Text = Text::new(
    "The authority does not answer, and {0} is made with it: wait a moment and scan again.",
    "認証局が応答しません ({0} の発行に必要です)。少し待ってから、もう一度スキャンしてください。",
);
/// A failure.
pub const GATEWAY_GARBLED: Text = Text::new(
    "The gateway's answer cannot be understood: call the supervisor.",
    "ゲートウェイの応答を解釈できません。班長を呼んでください。",
);
/// A failure.
pub const DEVICE_LOST: Text = Text::new(
    "The device stopped answering: leave it on the port, switch it off and on, and scan it again.",
    "機器の応答が途絶えました。接続したまま電源を入れ直し、もう一度スキャンしてください。",
);
/// A failure.
pub const DEVICE_CHANGED: Text = Text::new(
    "The device was changed during the write: put the first one back and scan it again.",
    "書込中に機器が交換されました。元の機器を接続し、もう一度スキャンしてください。",
);
/// A failure.
pub const NOT_PROVED: Text = Text::new(
    "The device could not prove its certificate: set it aside for the supervisor.",
    "機器が証明書を証明できません。隔離して班長に渡してください。",
);
/// A failure.
pub const WRONG_CONFIRMATION: Text = Text::new(
    "The device does not hold the secret that it was sent: set it aside for the supervisor.",
    "機器に保存された秘密情報が一致しません。隔離して班長に渡してください。",
);
/// A failure.
pub const NOT_VERIFIED: Text = Text::new(
    "The gateway counts this device as {0}: set it aside for the supervisor.",
    "ゲートウェイ上の状態は {0} です。隔離して班長に渡してください。",
);
/// A failure.
pub const NOT_REPORTED: Text = Text::new(
    "The result is not filed yet: set this device aside and scan it again later.",
    "結果がまだ登録されていません。機器を取り置き、後でもう一度スキャンしてください。",
);
/// A failure.
pub const NOT_CONFIRMED: Text = Text::new(
    "The device did not answer at the end: switch it off and on, and scan it again.",
    "最後に機器が応答しませんでした。電源を入れ直し、もう一度スキャンしてください。",
);
/// A failure.
pub const FILES: Text = Text::new(
    "This station cannot store what it does: call the supervisor.",
    "ステーションが記録を保存できません。班長を呼んでください。",
);

/// The gateway refuses.
pub const NOT_IN_PLAN: Text = Text::new(
    "{0} is not in the plan: check the plate, and call the supervisor if it is right.",
    "{0} は計画にありません。銘板を確認し、正しければ班長を呼んでください。",
);
/// The gateway refuses.
pub const TAKES_NO_CERTIFICATE: Text = Text::new(
    "A device such as {0} takes no certificate: pass it on.",
    "{0} の機種は書込不要です。次工程へ送ってください。",
);
/// The gateway refuses.
pub const NO_PRE_WRITE_KEY: Text = Text::new(
    "The device's firmware was built with a key that its product does not have: set it aside for the supervisor.",
    "機器のファームウェアの鍵が製品と一致しません。隔離して班長に渡してください。",
);
/// The gateway or the device refuses.
pub const OTHER_PRODUCTS_PLATE: Text = Text::new(
    "The plate is another product's: put the right plate on it.",
    "別の製品の銘板です。正しい銘板を貼ってください。",
);
/// The gateway refuses.
pub const SECOND_DEVICE: Text = Text::new(
    "{0} was given to another device: set this one aside with its plate.",
    "{0} は別の機器に割り当て済みです。銘板ごと隔離してください。",
);
/// The gateway or the device refuses.
pub const HAS_ANOTHER_NUMBER: Text = Text::new(
    "This device has another number already: set it aside for the supervisor.",
    "この機器には別の番号が書き込まれています。隔離して班長に渡してください。",
);
/// The gateway refuses.
pub const NUMBER_SPENT: Text = Text::new(
    "{0} cannot be used any more: take a new plate, and set this one aside.",
    "{0} は使用できません。新しい銘板を使い、この銘板は隔離してください。",
);
/// The gateway refuses.
pub const PROOF_FAILED: Text = Text::new(
    "The proof does not hold: set the device aside for the supervisor.",
    "証明が成立しません。隔離して班長に渡してください。",
);
/// The gateway refuses.
pub const TOO_SLOW: Text = Text::new(
    "The write took too long: scan the device again.",
    "書込に時間がかかりすぎました。もう一度スキャンしてください。",
);
/// The gateway refuses.
pub const GATEWAY_BUSY: Text = Text::new(
    "The gateway cannot serve now: wait a moment and scan again.",
    "ゲートウェイが処理できません。少し待ってから、もう一度スキャンしてください。",
);
/// The gateway refuses.
pub const NOT_ADMITTED: Text = Text::new(
    "This station is not admitted at the gateway: call the supervisor.",
    "このステーションはゲートウェイに許可されていません。班長を呼んでください。",
);
/// The gateway refuses; its word.
pub const GATEWAY_REFUSED: Text = Text::new(
    "The gateway refused ({0}): call the supervisor.",
    "ゲートウェイが拒否しました ({0})。班長を呼んでください。",
);

/// The device refuses.
pub const MEMORY_FAILED: Text =
    Text::new("The device's memory failed: scrap the device.", "機器のメモリ異常です。廃棄してください。");
/// The device refuses.
pub const LOST_THE_THREAD: Text = Text::new(
    "The device lost the thread: scan it again.",
    "機器との手順がずれました。もう一度スキャンしてください。",
);
/// The device refuses.
pub const FIRMWARE_TOO_OLD: Text = Text::new(
    "The device's firmware is too old for what its product is given: call the supervisor.",
    "機器のファームウェアが古すぎます。班長を呼んでください。",
);
/// The device refuses.
pub const WRONG_KEY: Text = Text::new(
    "The device's firmware was built with another key than its pack is sealed with: set it aside for the supervisor.",
    "機器のファームウェアの鍵が異なります。隔離して班長に渡してください。",
);
/// The device refuses.
pub const NOT_OPENED: Text = Text::new(
    "The pack does not open in the device: scan it again, and call the supervisor if it stays so.",
    "機器内で復号できません。もう一度スキャンし、繰り返す場合は班長を呼んでください。",
);
/// The device refuses.
pub const NOT_ITS_KEY: Text = Text::new(
    "The certificate is not for the key that the device made: scan it again, and call the supervisor if it stays so.",
    "証明書が機器の鍵と一致しません。もう一度スキャンし、繰り返す場合は班長を呼んでください。",
);
/// The device refuses; its word.
pub const DEVICE_REFUSED: Text = Text::new(
    "The device cannot take this pack ({0}): call the supervisor.",
    "機器が受け付けません ({0})。班長を呼んでください。",
);
