//! What the authority's console says.

use crate::Text;

/// The role.
pub const AUTHORITY: Text = Text::new("Authority", "認証局");
/// A page.
pub const OVERVIEW: Text = Text::new("Issuing", "発行状況");
/// A page.
pub const FACTORIES: Text = Text::new("Factories and quotas", "工場と発行枠");
/// A page.
pub const PRODUCTS: Text = Text::new("Products", "製品");
/// A page.
pub const KEYS: Text = Text::new("Pre-write keys", "事前書込み鍵");
/// A page.
pub const CERTIFICATES: Text = Text::new("Certificates", "証明書");
/// A page.
pub const REVOKE: Text = Text::new("Revoke", "失効処理");
/// A page.
pub const MEMBERS: Text = Text::new("Members", "メンバー");

/// A figure.
pub const ISSUED: Text = Text::new("Certificates issued", "発行済み証明書");
/// Below it.
pub const OF_QUOTA: Text = Text::new("of {0} in all quotas", "発行枠の合計 {0}");
/// A figure.
pub const WAITING: Text = Text::new("Approvals waiting", "承認待ち");
/// Below it.
pub const NEED_SECOND: Text = Text::new("each needs a second person", "別の担当者の承認が必要です");
/// A figure.
pub const REPORTED: Text = Text::new("Records from factories", "工場からの記録");
/// Below it.
pub const LAST_RECORD: Text = Text::new("the last at {0}", "最終 {0}");
/// Below it.
pub const NONE_YET: Text = Text::new("none yet", "まだありません");
/// A caption.
pub const BY_FACTORY: Text = Text::new("Issued by factory and product", "工場・製品別の発行数");
/// A chart.
pub const ISSUED_AGAINST_QUOTA: Text = Text::new("Issued against quota", "発行数と発行枠");
/// A column.
pub const FACTORY: Text = Text::new("Factory", "工場");
/// A column.
pub const QUOTA: Text = Text::new("Quota", "発行枠");
/// A column.
pub const APPARATUSES: Text = Text::new("Symmetric", "共通鍵型");
/// A column.
pub const USED: Text = Text::new("Used", "使用率");
/// A heading.
pub const CHANGE_QUOTA: Text = Text::new("Change a quota", "発行枠を変更する");
/// On the page.
pub const CHANGE_QUOTA_HELP: Text = Text::new(
    "A lower quota counts at once. A higher one is proposed, and counts when another security officer approves it.",
    "引下げはすぐに反映されます。引上げは申請となり、別のセキュリティ責任者の承認後に反映されます。",
);
/// A field.
pub const NEW_QUOTA: Text = Text::new("New quota", "新しい発行枠");
/// A button.
pub const CHANGE: Text = Text::new("Change", "変更する");
/// A heading.
pub const ADD_FACTORY: Text = Text::new("Add a factory", "工場を追加する");
/// A button.
pub const ADD: Text = Text::new("Add", "追加する");
/// A field.
pub const NAME: Text = Text::new("Name", "名前");
/// A notice.
pub const PROPOSED: Text = Text::new(
    "Proposed as number {0}. It is done when another security officer approves it.",
    "申請番号 {0} で申請しました。別のセキュリティ責任者が承認すると実行されます。",
);
/// A notice.
pub const CHANGED: Text = Text::new("The quota is changed.", "発行枠を変更しました。");

/// A column.
pub const CREDENTIALS: Text = Text::new("Credentials", "認証情報");
/// A column.
pub const ORGANIZATION: Text = Text::new("Maker", "製造者");
/// A column.
pub const VALIDITY: Text = Text::new("Valid for (days)", "有効日数");
/// A value.
pub const WITHOUT_END: Text = Text::new("without end", "無期限");
/// A column.
pub const KEY: Text = Text::new("Key", "鍵");
/// A column.
pub const STAGE: Text = Text::new("Stage", "段階");
/// A stage.
pub const CURRENT: Text = Text::new("Current", "使用中");
/// A stage.
pub const PREVIOUS: Text = Text::new("Previous", "旧鍵");
/// A stage.
pub const RETIRED: Text = Text::new("Retired", "廃止");
/// A column.
pub const MADE: Text = Text::new("Made", "作成日時");
/// A column.
pub const EXPORTED: Text = Text::new("Handed out", "引渡し日時");
/// A column.
pub const REPLACED: Text = Text::new("Replaced", "交代日時");
/// A button.
pub const PROPOSE_EXPORT: Text = Text::new("Propose to hand out", "引渡しを申請する");

/// A field.
pub const NUMBER_OR_SERIAL: Text =
    Text::new("Device number, serial or key hash", "機器番号・シリアル・鍵ハッシュ");
/// A choice.
pub const ANY_STATE: Text = Text::new("Any state", "すべての状態");
/// A column.
pub const SERIAL: Text = Text::new("Serial", "シリアル");
/// A column.
pub const INTENDED: Text = Text::new("Ordered", "発行要求");
/// A column.
pub const GENERATION: Text = Text::new("Generation", "世代");
/// A column.
pub const CAUSE: Text = Text::new("Cause", "発行理由");
/// A value.
pub const FIRST_CERTIFICATE: Text = Text::new("made with", "製造時");
/// A heading.
pub const CERTIFICATES_OF: Text = Text::new("Certificates of this device", "この機器の証明書");
/// A heading.
pub const BOARD: Text = Text::new("Board", "基板");
/// A row.
pub const CHIP: Text = Text::new("Chip", "チップ");
/// A row.
pub const STATION: Text = Text::new("Station", "ステーション");
/// A row.
pub const VERIFIED: Text = Text::new("Proved itself", "確認日時");
/// A heading.
pub const BOARD_SWAPS: Text = Text::new("Board swaps", "基板交換");
/// A column.
pub const FORMER_CHIP: Text = Text::new("Chip before", "交換前のチップ");
/// A column.
pub const SHA256_OF_KEY: Text = Text::new("SHA-256 of the key", "鍵の SHA-256");

/// On the page.
pub const REVOKE_LEAD: Text = Text::new(
    "Say what the devices have in common; several of these mean those of which all are true. You see who is hit before anything is \
     revoked. More than one device needs a second person.",
    "対象の機器に共通する条件を指定してください。複数の条件を指定すると、すべてに該当する機器が対象です。失効の前に対象を確認できます。2 台以上の場合は別の担当者の承認が必要です。",
);
/// A field.
pub const FIRST_NUMBER: Text =
    Text::new("Device number, or the first of several", "機器番号（範囲の場合は先頭）");
/// A field.
pub const LAST_NUMBER: Text = Text::new("The last", "範囲の末尾");
/// A field.
pub const WRITTEN_FROM: Text = Text::new("Written from", "書込み日時（開始）");
/// A field.
pub const WRITTEN_UNTIL: Text = Text::new("Written before", "書込み日時（終了）");
/// A button.
pub const SHOW_WHO: Text = Text::new("Show who is hit", "対象を確認する");
/// A notice.
pub const WOULD_REVOKE: Text = Text::new(
    "{0} certificates and {1} symmetric credentials would be revoked, for good. Nothing is revoked yet.",
    "証明書 {0} 件、共通鍵型 {1} 件が恒久的に失効します。まだ何も失効していません。",
);
/// A notice.
pub const NOBODY_HIT: Text =
    Text::new("Nothing that could be revoked is selected.", "該当する認証情報はありません。");
/// A notice.
pub const REVOKED: Text = Text::new("{0} is revoked.", "{0} を失効しました。");
/// A button.
pub const REVOKE_ONE: Text = Text::new("Revoke for good", "恒久的に失効する");
/// A button.
pub const PROPOSE_REVOKE: Text = Text::new("Propose to revoke {0}", "{0} 件の失効を申請する");
/// A caption.
pub const WHO_IS_HIT: Text = Text::new("Who is hit", "失効の対象");
/// A caption.
pub const BY_STATE: Text = Text::new("By state", "状態別");
/// A column.
pub const COUNT: Text = Text::new("Count", "件数");
/// Below a table.
pub const AND_MORE: Text = Text::new("and {0} more", "ほか {0} 件");

/// What is proposed.
pub const RAISE_OF: Text = Text::new(
    "Raise the quota of {0} for {1} from {2} to {3}",
    "{0} の {1} の発行枠を {2} から {3} に引き上げる",
);
/// What is proposed.
pub const EXPORT_OF: Text = Text::new("Hand out the pre-write key {0}", "事前書込み鍵 {0} を引き渡す");
/// What is proposed.
pub const REVOKE_OF: Text = Text::new("Revoke all of: {0}", "次のすべてを失効する: {0}");
/// A notice.
pub const DONE: Text = Text::new("Approved and done.", "承認し、実行しました。");
/// A notice.
pub const REVOKING: Text = Text::new(
    "Approved. The devices are being revoked now; the audit log shows each step.",
    "承認しました。失効処理を実行しています。経過は監査ログで確認できます。",
);
/// A notice.
pub const KEY_SHOWN_ONCE: Text = Text::new(
    "This is the pre-write key {0} in hexadecimal, for the firmware build and nobody else. It is not shown again.",
    "事前書込み鍵 {0}（16 進数）です。ファームウェアのビルドにのみ使用してください。再表示はできません。",
);
/// A column.
pub const MEMBER: Text = Text::new("Member", "メンバー");
/// A column.
pub const RECORDS: Text = Text::new("Records", "記録数");
/// A column.
pub const CERTIFIED: Text = Text::new("Certified", "証明書の発行日時");
