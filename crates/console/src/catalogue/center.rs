//! What the center's pages say, by where they say it.

use crate::Text;

/// Texts of one place, each with its English and its Japanese.
macro_rules! texts {
    ($place:literal: $($name:ident = $english:literal, $japanese:literal;)+) => {
        $(
            #[doc = $place]
            pub const $name: Text = Text::new($english, $japanese);
        )+
    };
}

texts! {
    "A page.":
    CENTER = "Center", "センター";
    OVERVIEW = "Overview", "概要";
    FLEET = "Devices", "機器";
    CALLS = "Calls", "通報";
    INCIDENTS = "Incidents", "インシデント";
    REQUESTS = "Requests", "要求";
    ROLLOUTS = "Roll-outs", "ファームウェア配信";
    INVOICES = "Invoices", "請求";
    INTERMEDIATES = "Intermediate devices", "仲介機器";
}

texts! {
    "A column, a field or a choice.":
    DEVICE = "Device", "機器";
    PRODUCT = "Product", "製品";
    STATE = "State", "状態";
    TIME = "Time", "日時";
    ACTION = "Action", "操作";
    NUMBER = "No.", "番号";
    NAME = "Name", "名前";
    CHANGED = "Changed", "更新";
    ADDED = "Added", "追加";
    STARTED = "Started", "開始";
    DAY = "Day", "日";
    HOUR = "Hour", "時刻";
    TOTAL = "Total", "合計";
    DEVICES = "Devices", "機器";
    QUARANTINE = "Quarantine", "隔離";
    FIRMWARE = "Firmware", "ファームウェア";
    LAST_CALL = "Last call", "最終通報";
    CALL = "Call", "通報";
    SAID = "What it said", "内容";
    ALL_PRODUCTS = "All products", "すべての製品";
    ALL_STATES = "All states", "すべての状態";
    ALL_KINDS = "All kinds", "すべての種類";
    UNKNOWN = "unknown", "不明";
    NEVER = "never", "なし";
}

texts! {
    "On the overview.":
    IN_USE_AND_SUSPECT = "{0} in use, {1} suspect", "使用中 {0}、疑義 {1}";
    CALLS_TODAY = "Calls", "通報";
    LAST_24_HOURS = "in the last 24 hours", "過去 24 時間";
    IN_QUARANTINE = "In quarantine", "隔離中";
    IN_QUARANTINE_HINT = "wait for a person's decision", "担当者の判断待ち";
    HELD_COUNTERS = "Counters held", "保留中のカウンタ";
    HELD_READINGS = "{0} readings are not billed", "{0} 件の検針値が未請求";
    OPEN_REQUESTS = "Open requests", "未完了の要求";
    OPEN_REQUESTS_HINT = "until the devices call", "機器からの通報待ち";
    ROLLOUTS_HALTED = "running; {0} halted", "配信中、停止 {0}";
    AUTHORITY_HEARD = "Authority heard", "認証局の応答";
    SECONDS_AGO = "{0} s ago", "{0} 秒前";
    LATEST_CALLS = "Latest calls", "最新の通報";
}

texts! {
    "On the list of devices.":
    FLEET_BY_PRODUCT = "Devices by product and state", "製品・状態別の機器数";
}

texts! {
    "On the page of calls.":
    CALLS_LEAD =
        "When the fleet calls. The darker an hour, the more calls were taken in it.",
        "機器からの通報の時間分布です。色が濃いほど、その時間帯の通報が多いことを示します。";
    CALL_MAP = "Calls by day and hour", "日・時間帯別の通報数";
    CALLS_LAST_HOURS = "Calls by hour, the last {0} hours", "時間別の通報数(過去 {0} 時間)";
    CALL_COUNTER = "Counter", "カウンタ通知";
    CALL_SERVICE = "Service", "サービス要請";
    CALL_SUPPLY = "Supply", "消耗品";
    CALL_ALARM = "Alarm", "警報";
    CALL_MANUAL = "Manual", "手動";
    CALL_MANAGE = "Registers devices", "機器の登録";
    CALL_POLL = "Poll", "問合せ";
    CALL_NUMBER = "Boot and sequence", "起動・連番";
    THROUGH = "Through", "経由";
}

texts! {
    "On the page of requests.":
    REQUESTS_LEAD =
        "A device hears of a request when it calls next, and says in a later call what came of it.",
        "要求は、機器が次に通報したときに伝えられ、その結果は以後の通報で報告されます。";
    REQUEST = "Request", "要求";
    ASK_A_DEVICE = "Ask something of a device", "機器に要求する";
    ASK = "Ask", "要求する";
    ASKED = "Asked", "要求日時";
    OUTCOME = "Outcome", "結果";
    ASK_READ_COUNTERS = "Read counters", "カウンタの読取り";
    ASK_RENEW = "Renew certificate", "証明書の更新";
    ASK_SET_VALUE = "Set initial value", "初期値の設定";
    ASK_FETCH = "Fetch firmware", "ファームウェアの取得";
    ASKED_SET_VALUE = "Set {0} to {1}", "{0} を {1} に設定";
    ASKED_FETCH = "Fetch firmware {0}", "ファームウェア {0} の取得";
    ASKED_ROLL_BACK = "Roll back to firmware {0}", "ファームウェア {0} への復帰";
    COUNTER_TO_SET = "Counter, to set one", "カウンタ(設定時)";
    VALUE_TO_SET = "Value, to set one", "値(設定時)";
    PACKAGE_TO_FETCH = "Package, to fetch one", "パッケージ(取得時)";
    REQUESTS_OPEN = "Open", "未完了";
    REQUESTS_FINISHED = "Finished", "完了";
    REQUEST_WAITING = "Waits for a call", "通報待ち";
    REQUEST_HANDED_OUT = "Handed out", "伝達済み";
    REQUEST_DONE = "Done", "完了";
    REQUEST_REFUSED = "Refused: {0}", "拒否: {0}";
    REQUEST_FAILED = "Failed: {0}", "失敗: {0}";
}

texts! {
    "On the page of roll-outs.":
    ROLLOUTS_LEAD =
        "A roll-out asks the devices of its share as they call. It halts by itself where too many do not run the new firmware.",
        "配信は、対象割合に入る機器が通報したときに行われます。新しいファームウェアが動作しない機器が多すぎる場合は、自動的に停止します。";
    NO_ROLLOUT = "No roll-out is under way.", "配信中のファームウェアはありません。";
    ENDED_ROLLOUTS = "Roll-outs that are over", "終了した配信";
    ROLLOUT_SINCE = "No. {0}, since {1}", "No. {0}、{1} から";
    ROLLOUT_PROGRESS = "Devices that have answered", "応答した機器";
    ROLLOUT_ASKED = "Asked", "要求";
    ROLLOUT_DONE = "Run it", "動作";
    ROLLOUT_REFUSED = "Refused", "拒否";
    ROLLOUT_FAILED = "Failed", "失敗";
    ROLLED_BACK = "Rolled back", "復帰";
    FAILURE_RATE = "Failure rate", "失敗率";
    FAILURE_RATE_OF = "{0}, halts above {1} % from {2} results on", "{0}({2} 件以上で {1} % を超えると停止)";
    SHARE = "Share", "対象割合";
    SHARE_PERCENT = "Share of devices, percent", "対象割合(%)";
    HALT_ABOVE = "Halt above failures, percent", "停止する失敗率(%)";
    MINIMUM = "Results before it may halt", "停止判定の最小件数";
    START_ROLLOUT = "Start a roll-out", "配信を開始する";
    START_ROLLOUT_LEAD =
        "The product's current roll-out ends. Begin with a small share and widen it.",
        "この製品の現在の配信は終了します。小さな割合から始めて、徐々に広げてください。";
    START = "Start", "開始";
    HALT = "Halt", "停止";
    RESUME = "Resume", "再開";
    WIDEN = "Widen", "拡大";
    ROLL_BACK = "Roll back", "元に戻す";
    ROLLOUT_RUNNING = "Running", "配信中";
    ROLLOUT_HALTED = "Halted", "停止中";
    ROLLOUT_ROLLING_BACK = "Rolling back", "復帰中";
    ROLLOUT_ENDED = "Over", "終了";
    PACKAGE = "Package", "パッケージ";
    PACKAGES = "Firmware packages", "ファームウェアパッケージ";
    SECURITY_NUMBER = "Security number", "セキュリティ番号";
    BYTES = "Bytes", "バイト数";
    MAKER_KEY = "Maker's key", "製造者の鍵";
}

texts! {
    "On the page of invoices.":
    INVOICES_LEAD =
        "The lines of a period, counted again from the journal of calls and compared with the books.",
        "指定期間の請求明細です。通報の記録から再計算し、台帳と照合します。";
    FROM_DAY = "First day", "開始日";
    TO_DAY = "Last day", "終了日";
    SHOW_INVOICE = "Show the lines", "明細を表示";
    PERIOD_BACKWARDS = "The last day is before the first.", "終了日が開始日より前です。";
    INVOICE_FINAL =
        "Nothing can be added to this period any more.",
        "この期間に明細が追加されることはもうありません。";
    INVOICE_NOT_FINAL =
        "This period is not over: lines may be added.",
        "この期間はまだ終わっていません。明細が追加されることがあります。";
    LINES = "Lines", "明細数";
    UNITS = "Units", "数量";
    COUNTER = "Counter", "カウンタ";
    EXPLANATION = "Explained by", "内訳";
    LINE_EXPLAINED = "A line, explained", "明細の内訳";
    UNITS_FROM_TO = "{0} units, {1} to {2}", "{0} 単位、{1} から {2} まで";
    NO_SUCH_LINE = "There is no such line in this period.", "この期間にそのような明細はありません。";
    CALLS_OF_LINE = "Calls that it comes from", "根拠となる通報";
    CORRECTIONS = "Taken back and given back", "取消しと復活";
    BACK_TO_INVOICE = "Back to the lines", "明細一覧に戻る";
    JOURNAL_ENTRY = "Entry", "記録番号";
    JOURNAL_ENTRIES = "Journal entries", "記録数";
    JOURNAL_HASH = "Hash", "ハッシュ値";
    COUNTED_FROM = "From", "開始値";
    COUNTED_TO = "Counted to", "計上値";
    RELEASED_BY = "Released by entry", "解除した記録";
}

texts! {
    "On the page of incidents.":
    KIND = "Kind", "種類";
    HOW_OFTEN = "Times", "回数";
    FIRST = "First", "初回";
    LAST = "Last", "最終";
    LAST_TIME = "The last time", "直近の内容";
    SINCE = "Since", "開始";
    LOOKS_LIKE = "Looks like", "推定";
    IN_LINE = "In line with the last answer", "直前の応答と整合";
    OUT_OF_LINE = "Out of line", "不整合";
    EVIDENCE = "Evidence", "証拠";
    LOOK_AND_DECIDE = "Look and decide", "確認して判断する";
    QUARANTINE_LEAD =
        "Under these numbers two memories have called. Every call is refused until a person has decided.",
        "これらの番号では、二つの異なる記憶から通報がありました。担当者が判断するまで、すべての通報を拒否します。";
    HELD_LEAD =
        "These counters went backwards. Accept: the units since the first held reading are billed. Refuse: the device is asked to set the counter to what was counted, and what is held counts for nothing.",
        "これらのカウンタは値が減少しました。承認すると、最初の保留値以降の分が請求されます。却下すると、計上済みの値に戻すよう機器に要求し、保留分は計上されません。";
    REFUSED_CALLS = "Refused calls", "拒否した通報";
    REFUSED_LEAD =
        "What was refused and may be an attack, counted by device and kind.",
        "拒否した通報のうち、攻撃の可能性があるものです。機器・種類別に数えています。";
    FIRST_HELD = "First held", "最初の保留値";
    LAST_HELD = "Last held", "最後の保留値";
    READINGS = "Readings", "検針数";
    READINGS_HELD = "Held", "保留";
    ACCEPT = "Accept", "承認";
    REFUSE = "Refuse", "却下";
    INCIDENT_FOREIGN_NUMBER = "Claimed another device's number", "他の機器番号を名乗った";
    INCIDENT_UNREGISTERED = "Not registered", "未登録";
    INCIDENT_OTHER_KEY = "Another key than its own", "登録と異なる鍵";
    INCIDENT_OTHER_ISSUER = "Certificate of another CA", "別の認証局の証明書";
    INCIDENT_NOT_IN_USE = "Certificate not in use", "使用中でない証明書";
    INCIDENT_REUSED_NUMBER = "Call number used again", "通報番号の再使用";
    INCIDENT_OUT_OF_ORDER = "Call out of order", "通報順序の逆転";
    INCIDENT_FORK = "Calls forked: a copy", "通報の分岐(複製)";
    INCIDENT_QUARANTINED = "Called from quarantine", "隔離中の通報";
    INCIDENT_NOT_MANAGED = "Spoke for a device that is not its own", "管理外の機器を代弁";
    INCIDENT_NOT_INTERMEDIATE = "Would manage devices and may not", "管理権限のない製品";
    INCIDENT_TOO_MANY_MANAGED = "Manages too many devices", "管理機器数の超過";
    INCIDENT_TOO_MANY_COUNTERS = "Names too many counters", "カウンタ数の超過";
}

texts! {
    "On the page of a quarantine.":
    QUARANTINE_OF = "Quarantine of {0}", "{0} の隔離";
    SUSPICION_COPIED = "Two devices: both have called", "二台の機器: 両方から通報あり";
    SUSPICION_SET_BACK = "An old memory, or a copy that is silent", "古い記憶、または沈黙している複製";
    COPIED_HELP =
        "The memory was copied. One of the two is not the device: find out which, before you let the number call again.",
        "記憶が複製されています。二台のうち一方は本物ではありません。どちらかを確認してから解除してください。";
    SET_BACK_HELP =
        "A memory was put back, in a repair for instance, or the other device of two is silent. Ask who worked at the device.",
        "修理などで古い記憶が戻されたか、もう一方の機器が沈黙しています。作業者に確認してください。";
    SIGN_EARLIER = "It named an earlier answer than the last", "直前より古い応答を示した";
    SIGN_NONE = "It named no answer, though it had before", "以前は示していた応答を示さなかった";
    SIGN_UNKNOWN = "It named an answer that was never given", "存在しない応答を示した";
    SEEN_BY = "Seen by", "検出の根拠";
    REFUSED_COUNT_LAST = "{0}, the last {1}", "{0} 件、最終 {1}";
    CALL_TAKEN = "The last call that was taken", "最後に受け付けた通報";
    CALL_REFUSED = "The call that does not follow it", "それに続かない通報";
    ADDRESS = "Address", "アドレス";
    TAKEN_BACK = "Units that were taken back", "取り消した数量";
    RELEASED_BY_ENTRY = "Released by entry {0} of the journal.", "記録 {0} により解除されました。";
    DECIDE = "Decide", "判断する";
    DECIDE_LEAD =
        "The number begins a new chain with its next call. Your decision goes into journal and audit log with your name.",
        "次の通報から新しい連鎖が始まります。判断はあなたの名前とともに記録と監査ログに残ります。";
    DOUBT_DROP = "Units in doubt count for nothing", "疑わしい数量は計上しない";
    DOUBT_DROP_HINT =
        "The counters count on from where they stood before.",
        "カウンタは以前の値から続けて数えます。";
    DOUBT_COUNT = "Units in doubt count", "疑わしい数量も計上する";
    DOUBT_COUNT_HINT = "They are billed with this decision.", "この判断により請求されます。";
    RELEASE_FROM_QUARANTINE = "Release from quarantine", "隔離を解除";
}

texts! {
    "On the page of intermediate devices.":
    INTERMEDIATES_LEAD =
        "Intermediate devices stand on a customer's site and speak for devices that cannot, and for no others.",
        "仲介機器は、顧客の拠点で自ら通報できない機器に代わって通報します。登録された機器以外の代弁はできません。";
    INTERMEDIATE_PRODUCTS = "Products that may manage others", "他の機器を管理できる製品";
    RELATIONS = "Who speaks for whom", "代弁の関係";
    MANAGED_DEVICE = "Managed device", "管理対象の機器";
    INTERMEDIATE = "Intermediate device", "仲介機器";
    APPROVED_BY = "Approved by", "承認方法";
    APPROVAL_PERSON = "a person", "担当者";
    APPROVAL_AUTOMATIC = "itself", "自動";
    APPROVAL_NONE = "may manage none", "管理不可";
    SET_INTERMEDIATE_PRODUCT = "Set what a product may manage", "製品の管理権限を設定する";
    SET = "Set", "設定";
    RELATION_REQUESTED = "Asked for", "申請中";
    RELATION_APPROVED = "Speaks for it", "代弁中";
    RELATION_ENDED = "Over", "終了";
    APPROVE_RELATION = "Approve", "承認";
    END_RELATION = "End", "終了する";
}

texts! {
    "On the page of a device.":
    NEVER_HEARD_OF =
        "Neither this center nor its authority has ever heard of this number.",
        "この番号は、センターにも認証局にも記録がありません。";
    AUTHORITY_SILENT =
        "The authority does not answer. What only it knows is missing here: how the device was made, and its certificates' dates.",
        "認証局が応答しません。認証局だけが持つ情報(製造の経緯、証明書の日付など)は表示されていません。";
    QUARANTINED_NOTICE =
        "This number is in quarantine: two memories have called under it.",
        "この番号は隔離中です。二つの異なる記憶から通報がありました。";
    REASON_NOTED = "Noted at the authority: {0}", "認証局の記録: {0}";
    NOT_REGISTERED = "Not registered here", "未登録";
    CHIP = "Chip", "チップ";
    STAGES = "Stages of its life", "機器の歩み";
    NOT_YET = "(not yet)", "(未到達)";
    TIME_NOT_KNOWN = "time not known here", "日時は不明";
    AT_GATEWAY = "gateway {0}", "ゲートウェイ {0}";
    AT_STATION = "station {0}", "ステーション {0}";
    STAGE_ORDERED = "Planned", "計画";
    STAGE_ISSUED = "Issued", "発行";
    STAGE_STOCKED = "Stocked", "入庫";
    STAGE_WRITTEN = "Written and proved", "書込み・証明";
    STAGE_REGISTERED = "Registered", "登録";
    STAGE_CALLED = "Called first", "初回通報";
    WHAT_HAPPENED = "What happened", "経緯";
    AND_BEFORE = "And {0} things before.", "ほかに {0} 件あります。";
    HAPPENED_REGISTERED = "Registered at this center", "センターに登録";
    HAPPENED_TIMES = "{0} times, the last: {1}", "{0} 回、直近: {1}";
    HAPPENED_ORDERED = "Ordered by gateway {0}, for its plan", "ゲートウェイ {0} が計画に基づき手配";
    HAPPENED_MADE = "Written at station {0}, and proved", "ステーション {0} で書込み・証明";
    HAPPENED_MADE_CHIP = "chip {0}", "チップ {0}";
    HAPPENED_SIGNED = "Certificate {0} signed: {1}", "証明書 {0} を発行: {1}";
    HAPPENED_STATE = "Certificate {0}: {1}", "証明書 {0}: {1}";
    HAPPENED_REVOKED = "Certificate {0} revoked", "証明書 {0} を失効";
    HAPPENED_SWAPPED = "Another board took the number", "基板を交換";
    HAPPENED_SWAP_OPENED = "Old board void; another may take the number", "旧基板を失効、新基板を待機中";
    HAPPENED_RECOVERY = "Asked under its common certificate: {0}", "共通証明書による申請: {0}";
    HAPPENED_CALL = "Call: {0}", "通報: {0}";
    HAPPENED_ASKED = "Asked to: {0}", "要求: {0}";
    HAPPENED_COUNTER_RELEASED = "A held counter was released", "保留中のカウンタを解除";
    HAPPENED_FORK = "Its calls forked: into quarantine", "通報が分岐し、隔離";
    HAPPENED_READMITTED = "Released from quarantine", "隔離を解除";
    HAPPENED_NEW_BOARD = "Another board called in its place", "別の基板が代わりに通報";
    HAPPENED_MANAGED = "Who speaks for it was decided", "代弁の関係を決定";
    CERTIFICATES = "Certificates", "証明書";
    CERTIFICATE_NUMBER = "Certificate {0}", "証明書 {0}";
    CAUSE_FACTORY = "from the factory", "工場で発行";
    CAUSE_RENEWAL = "renewed", "更新";
    CAUSE_RECOVERY = "recovered", "復旧";
    CAUSE_BOARD_SWAP = "new board", "基板交換";
    SERIAL = "Serial", "シリアル番号";
    SIGNED_BY = "Signed by", "発行者";
    VALIDITY = "Valid", "有効期間";
    NO_END = "no end", "期限なし";
    REVOKED = "Revoked", "失効";
    PREDECESSOR = "In place of", "前の証明書";
    SUCCESSOR = "Followed by", "次の証明書";
    KEY = "Key", "鍵";
    EXPIRES = "Expires", "有効期限";
    COUNTERS = "Counters", "カウンタ";
}
