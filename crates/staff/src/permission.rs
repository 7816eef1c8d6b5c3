//! Who may do what.

use console::Text;
use console::catalogue::staff as texts;
use store::staff::StaffRole;

/// Something that not everyone who may look may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Permission {
    /// Keep things running: replenish, send parked records again.
    Operate,
    /// Import a plan.
    Plan,
    /// Set products and factories.
    Engineer,
    /// Bring members in.
    Invite,
    /// Withdraw single credentials.
    Void,
    /// Decide on devices in quarantine, and on counters that are held.
    Judge,
    /// Propose and approve quotas, keys and revocations.
    Secure,
    /// Read and verify the audit log.
    Audit,
}

impl Permission {
    /// Whether this role has it.
    pub fn is_of(self, role: StaffRole) -> bool {
        use StaffRole::{Auditor, Engineer, Operator, SecurityOfficer, Viewer};
        let roles: &[StaffRole] = match self {
            Self::Operate => &[Operator, Engineer],
            Self::Plan | Self::Engineer | Self::Invite => &[Engineer],
            Self::Void | Self::Judge => &[Engineer, SecurityOfficer],
            Self::Secure => &[SecurityOfficer],
            Self::Audit => &[Auditor, SecurityOfficer],
        };
        role != Viewer && roles.contains(&role)
    }
}

/// What a role is called.
pub fn role_name(role: StaffRole) -> Text {
    match role {
        StaffRole::Viewer => texts::VIEWER,
        StaffRole::Operator => texts::OPERATOR,
        StaffRole::Engineer => texts::ENGINEER,
        StaffRole::SecurityOfficer => texts::SECURITY_OFFICER,
        StaffRole::Auditor => texts::AUDITOR,
    }
}
