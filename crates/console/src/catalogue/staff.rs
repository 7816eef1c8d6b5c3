//! What signing in, permissions and approvals say.

use crate::Text;

/// A button and title.
pub const SIGN_IN: Text = Text::new("Sign in", "サインイン");
/// A field.
pub const NAME: Text = Text::new("Name", "名前");
/// A field.
pub const PASSWORD: Text = Text::new("Password", "パスワード");
/// A field.
pub const CODE: Text = Text::new("Code", "認証コード");
/// Below that field.
pub const CODE_HINT: Text =
    Text::new("Six digits from your authenticator app", "認証アプリに表示される 6 桁の数字");
/// After a wrong try.
pub const WRONG: Text = Text::new(
    "Name, password or code is wrong. A code is good once: wait for the next one.",
    "名前、パスワード、または認証コードが違います。認証コードは一度しか使えません。次のコードをお待ちください。",
);
/// After too many.
pub const WAIT: Text = Text::new(
    "Too many wrong tries. Try again in {0} seconds.",
    "入力の誤りが続いています。{0} 秒後にもう一度お試しください。",
);
/// After a session has run out.
pub const SESSION_ENDED: Text = Text::new(
    "Your session has ended and nothing was changed. Sign in and repeat what you did.",
    "セッションが終了しました。変更は行われていません。サインインしてもう一度操作してください。",
);
/// A role.
pub const VIEWER: Text = Text::new("Viewer", "閲覧者");
/// A role.
pub const OPERATOR: Text = Text::new("Operator", "オペレーター");
/// A role.
pub const ENGINEER: Text = Text::new("Engineer", "エンジニア");
/// A role.
pub const SECURITY_OFFICER: Text = Text::new("Security officer", "セキュリティ責任者");
/// A role.
pub const AUDITOR: Text = Text::new("Auditor", "監査人");
/// Title of a page.
pub const APPROVALS: Text = Text::new("Approvals", "承認");
/// On that page.
pub const APPROVALS_LEAD: Text = Text::new(
    "What one person proposed and another must approve. A proposal expires after a day.",
    "一人が申請し、別の人が承認する必要のある操作です。申請は 1 日で失効します。",
);
/// A column.
pub const PROPOSAL: Text = Text::new("Proposal", "申請内容");
/// A column.
pub const PROPOSED_BY: Text = Text::new("Proposed by", "申請者");
/// A column.
pub const PROPOSED: Text = Text::new("Proposed", "申請日時");
/// A column.
pub const EXPIRES: Text = Text::new("Expires", "期限");
/// A column.
pub const DECIDED_BY: Text = Text::new("Decided by", "決裁者");
/// A button.
pub const APPROVE: Text = Text::new("Approve", "承認する");
/// A button.
pub const TURN_DOWN: Text = Text::new("Turn down", "却下する");
/// A button.
pub const TAKE_BACK: Text = Text::new("Take back", "取り下げる");
/// A state.
pub const WAITING: Text = Text::new("Waiting", "承認待ち");
/// A state.
pub const APPROVED: Text = Text::new("Approved", "承認済み");
/// A state.
pub const TURNED_DOWN: Text = Text::new("Turned down", "却下");
/// A state.
pub const EXPIRED: Text = Text::new("Expired", "失効");
/// Why it was not approved.
pub const SAME_PERSON: Text = Text::new(
    "Another person must approve what you proposed.",
    "自分が申請した内容は、別の人が承認する必要があります。",
);
/// Why it was not approved.
pub const NOT_OPEN: Text = Text::new(
    "This proposal is decided already, has expired, or never was.",
    "この申請はすでに決裁済み、失効済み、または存在しません。",
);
/// Title of a page.
pub const AUDIT_LOG: Text = Text::new("Audit log", "監査ログ");
/// On that page.
pub const AUDIT_LEAD: Text = Text::new(
    "All that was done, each entry with the hash of the one before.",
    "すべての操作の記録です。各記録は直前の記録のハッシュ値を含みます。",
);
/// A button.
pub const VERIFY: Text = Text::new("Verify the whole log", "ログ全体を検証する");
/// What was found.
pub const LOG_IS_WHOLE: Text = Text::new(
    "The log is whole: {0} entries, and the last one has the hash {1}.",
    "ログは完全です。記録は {0} 件、最後の記録のハッシュ値は {1} です。",
);
/// What was found.
pub const LOG_IS_CHANGED: Text = Text::new(
    "The log was changed: {0}. Keep the store as it is and call for help.",
    "ログが改ざんされています: {0}。ストアをそのまま保全し、担当者に連絡してください。",
);
/// A column.
pub const SEQUENCE: Text = Text::new("No.", "番号");
/// A column.
pub const ACTOR: Text = Text::new("Who", "実行者");
/// A column.
pub const BODY: Text = Text::new("What exactly", "内容");
