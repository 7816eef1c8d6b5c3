//! What the gateway's console says.

use crate::Text;

/// The role.
pub const GATEWAY: Text = Text::new("Gateway", "ゲートウェイ");
/// A page.
pub const OVERVIEW: Text = Text::new("Overview", "概要");
/// A page.
pub const PLAN: Text = Text::new("Plan", "生産計画");
/// A page.
pub const STOCK: Text = Text::new("Stock", "在庫");
/// A page.
pub const STATIONS: Text = Text::new("Stations", "ステーション");
/// A page.
pub const ATTENTION: Text = Text::new("Needs attention", "要対応");
/// A page.
pub const DEVICES: Text = Text::new("Devices", "機器");
/// A page.
pub const AUTHORITY: Text = Text::new("Authority link", "認証局との接続");
/// A page.
pub const PRODUCTS: Text = Text::new("Products", "製品");

/// A figure.
pub const DAYS_COVERED: Text = Text::new("Days in stock", "在庫日数");
/// Below it.
pub const OF_DAYS_WANTED: Text = Text::new("{0} days are wanted", "目標は {0} 日分");
/// A figure.
pub const TODAY: Text = Text::new("Written today", "本日の書込み");
/// Below it.
pub const OF_PLANNED: Text = Text::new("of {0} planned", "計画 {0} 台");
/// A figure.
pub const LINK: Text = Text::new("Link to the authority", "認証局との接続");
/// How it is.
pub const LINK_UP: Text = Text::new("Up", "接続中");
/// How it is.
pub const LINK_DOWN: Text = Text::new("Down", "切断");
/// Below it.
pub const LAST_HEARD: Text = Text::new("last heard {0}", "最終応答 {0}");
/// Below it.
pub const NEVER_HEARD: Text = Text::new("never heard yet", "応答はまだありません");
/// A figure.
pub const OUTBOX: Text = Text::new("Records to report", "未送信の記録");
/// Below it.
pub const OLDEST: Text = Text::new("the oldest from {0}", "最も古いものは {0}");
/// Below it.
pub const ALL_REPORTED: Text = Text::new("all is reported", "すべて送信済み");
/// Below it.
pub const PARKED_AND_SUSPECT: Text = Text::new("{0} parked, {1} suspect", "保留 {0} 件、要確認 {1} 件");
/// What an outage means.
pub const OUTAGE: Text = Text::new(
    "The authority has not answered for {0}. Writing goes on from stock; records wait here and are sent when the link is back.",
    "認証局からの応答が {0} 途絶えています。在庫の範囲で書込みは継続できます。記録はここに保管され、接続の回復後に送信されます。",
);
/// A time span.
pub const HOURS_MINUTES: Text = Text::new("{0} h {1} min", "{0} 時間 {1} 分");

/// A chart.
pub const PLAN_AGAINST_WRITTEN: Text = Text::new("Plan against written, by day", "計画と書込み実績（日別）");
/// An axis and column.
pub const DAY: Text = Text::new("Day", "日付");
/// A series and column.
pub const PLANNED: Text = Text::new("Planned", "計画");
/// A series and column.
pub const WRITTEN: Text = Text::new("Written", "書込み済み");
/// A column.
pub const DIFFERENCE: Text = Text::new("Difference", "差");
/// A choice.
pub const ALL_PRODUCTS: Text = Text::new("All products", "全製品");
/// A button and page.
pub const IMPORT: Text = Text::new("Import a plan", "計画の取込み");
/// On that page.
pub const IMPORT_LEAD: Text = Text::new(
    "Choose a CSV file, or paste it. You see what it would change before anything is changed. The heading tells whether it is a \
     product list or a plan.",
    "CSV ファイルを選択するか、内容を貼り付けてください。変更内容を確認してから取り込みます。製品リストか計画かは見出し行で判別されます。",
);
/// A field.
pub const FILE: Text = Text::new("CSV file", "CSV ファイル");
/// A field.
pub const CONTENT: Text = Text::new("Content", "内容");
/// A button.
pub const PREVIEW: Text = Text::new("Preview the changes", "変更内容を確認する");
/// A button.
pub const ACCEPT: Text = Text::new("Accept {0} changes", "{0} 件の変更を取り込む");
/// A notice.
pub const WOULD_CHANGE: Text = Text::new(
    "{0} entries would change. Nothing is changed yet.",
    "{0} 件が変更されます。まだ何も変更されていません。",
);
/// A notice.
pub const NOTHING_CHANGES: Text = Text::new(
    "The file says what is planned already: nothing would change.",
    "現在の計画と同じ内容です。変更はありません。",
);
/// A notice.
pub const BAD_CELLS: Text = Text::new(
    "Wrong cells: {0}. Nothing was imported. Mend them and preview again.",
    "{0} か所に誤りがあるため、何も取り込まれていません。修正してもう一度確認してください。",
);
/// A notice.
pub const IMPORTED: Text = Text::new("{0} entries were changed.", "{0} 件を変更しました。");
/// A column.
pub const LINE: Text = Text::new("Line", "行");
/// A column.
pub const COLUMN: Text = Text::new("Column", "列");
/// A column.
pub const FAULT: Text = Text::new("What is wrong", "誤りの内容");
/// A column.
pub const WHAT: Text = Text::new("What", "対象");
/// A column.
pub const BEFORE: Text = Text::new("Before", "変更前");
/// A column.
pub const AFTER: Text = Text::new("After", "変更後");
/// A caption.
pub const CHANGES: Text = Text::new("Changes", "変更内容");
/// A caption.
pub const FAULTS: Text = Text::new("Faults in the file", "ファイルの誤り");

/// A chart.
pub const STOCK_OVER_TIME: Text = Text::new("Stock of {0} ({1}) over the last days", "{0}（{1}）の在庫推移");
/// A series.
pub const IN_STOCK: Text = Text::new("In stock", "在庫");
/// A series.
pub const REFILL_LINE: Text = Text::new("Filled up to", "補充目標");
/// A button.
pub const REPLENISH: Text = Text::new("Fill up now", "今すぐ補充する");
/// A column.
pub const CREDENTIAL: Text = Text::new("Credential", "認証情報");
/// A column.
pub const RESERVED: Text = Text::new("Reserved", "予約");
/// A column.
pub const LEASED: Text = Text::new("Leased", "貸出中");
/// A column.
pub const VERIFIED: Text = Text::new("Verified", "確認済み");
/// A column.
pub const SUSPECT: Text = Text::new("Suspect", "要確認");
/// A column.
pub const VOIDED: Text = Text::new("Voided", "無効");
/// A column.
pub const PLANNED_AHEAD: Text = Text::new("Planned ahead", "今後の計画");
/// A column.
pub const WANTED: Text = Text::new("Wanted", "必要数");

/// A column.
pub const STATION: Text = Text::new("Station", "ステーション");
/// A column.
pub const LAST_SEEN: Text = Text::new("Last seen", "最終動作");
/// A column.
pub const TAKT: Text = Text::new("Takt, last hour (s)", "タクト（直近 1 時間・秒）");
/// A column.
pub const HOUR_WRITTEN: Text = Text::new("Written, last hour", "書込み（直近 1 時間）");
/// A column.
pub const HOUR_FAILED: Text = Text::new("Failed, last hour", "失敗（直近 1 時間）");
/// A column.
pub const TODAY_WRITTEN: Text = Text::new("Written today", "書込み（本日）");
/// A column.
pub const TODAY_FAILED: Text = Text::new("Failed today", "失敗（本日）");
/// A state of a station.
pub const WORKING: Text = Text::new("Working", "稼働中");
/// A state of a station.
pub const FAILING: Text = Text::new("Failing", "失敗多発");
/// A state of a station.
pub const QUIET: Text = Text::new("Quiet", "停止中");
/// A state of a station.
pub const SHUT_OUT: Text = Text::new("Shut out", "遮断済み");
/// A caption.
pub const STATIONS_LIVE: Text = Text::new("Stations at work", "稼働状況");
/// A caption.
pub const MEMBERS: Text = Text::new("Stations that joined", "登録済みステーション");
/// A column.
pub const JOINED: Text = Text::new("Joined", "登録日時");
/// A column.
pub const CERTIFICATE: Text = Text::new("Certificate", "証明書");
/// A heading.
pub const INVITE: Text = Text::new("Invite a station", "ステーションを招待する");
/// A field.
pub const STATION_NAME: Text = Text::new("Name of the station", "ステーション名");
/// Below that field.
pub const STATION_NAME_HINT: Text = Text::new("such as line-1", "例: line-1");
/// A button.
pub const MAKE_TOKEN: Text = Text::new("Make a token", "トークンを発行する");
/// A notice.
pub const TOKEN_HELP: Text = Text::new(
    "Give this token to {0}. It is good once, for {1} minutes, and is not shown again.",
    "このトークンを {0} に渡してください。有効期間は {1} 分、一度だけ使用できます。再表示はできません。",
);
/// A button.
pub const SHUT_OUT_NOW: Text = Text::new("Shut out", "遮断する");

/// A caption.
pub const PARKED: Text = Text::new("Parked records", "保留中の記録");
/// On the page.
pub const PARKED_HELP: Text = Text::new(
    "The authority refused these records. Deal with the cause, then send them again.",
    "認証局が受け付けなかった記録です。原因を解消してから再送してください。",
);
/// A button.
pub const SEND_AGAIN: Text = Text::new("Send all again", "すべて再送する");
/// A caption.
pub const SUSPECTS: Text = Text::new("Suspect credentials", "要確認の認証情報");
/// On the page.
pub const SUSPECTS_HELP: Text = Text::new(
    "Nobody knows whether a device holds these. Scan the device again, which settles it; or withdraw the credential for good.",
    "機器に書き込まれたかどうか不明です。機器を再スキャンすると確定します。または認証情報を無効にしてください。",
);
/// A button.
pub const WITHDRAW: Text = Text::new("Withdraw", "無効にする");
/// A choice.
pub const ANY_STATE: Text = Text::new("Any state", "すべての状態");
/// A caption.
pub const TRIES: Text = Text::new("Tries at stations", "書込みの履歴");
/// A column.
pub const CHIP: Text = Text::new("Chip", "チップ");
/// A column.
pub const RESULT: Text = Text::new("Result", "結果");
/// A result.
pub const NO_RESULT: Text = Text::new("No result yet", "結果待ち");
/// A heading.
pub const WHAT_IS_KNOWN: Text =
    Text::new("What this gateway knows of {0}", "{0} についてこのゲートウェイが持つ情報");
/// A column.
pub const COMPLETED: Text = Text::new("Confirmed", "確認日時");
/// A column.
pub const REMARKS: Text = Text::new("Remarks", "備考");
/// A column.
pub const TAKES_CERTIFICATE: Text = Text::new("Takes a certificate", "証明書の要否");
/// Yes.
pub const YES: Text = Text::new("Yes", "はい");
/// No.
pub const NO: Text = Text::new("No", "いいえ");
/// A column.
pub const QUOTA: Text = Text::new("Quota", "発行枠");
/// A column.
pub const ISSUED: Text = Text::new("Issued", "発行済み");
/// A caption.
pub const ALLOTMENT: Text = Text::new("What the authority allots", "認証局からの割当て");
