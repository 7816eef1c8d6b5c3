//! What happens at a station: who is signed on, what is being written, how it went.
//!
//! Everything starts with a scan. A change goes into the [`State`], and whoever shows it is told.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use cert::Fingerprint;
use console::Text;
use console::catalogue::station as texts;
use identity::{DeviceNumber, HardwareUid, MemberName};
use message::operator::{BadgeCode, ScrapId, ScrapRequest};
use message::problem::ProblemCode;
use tokio::sync::{Mutex, watch};
use tokio::time::sleep;
use transport::CallError;

use crate::failure::{Failure, Handling};
use crate::page::Page;
use crate::page::operators::Operators;
use crate::page::shift::Shift;
use crate::station::{Step, Written};

/// How often the gateway is asked for its operators, which also shows whether it is there.
const TOUCH_PAUSE: Duration = Duration::from_secs(3);

/// How long an operator stays signed on.
const SIGNED_ON_SECONDS_MAX: i64 = 12 * 60 * 60;

/// A station with its operator.
pub struct Floor {
    pub(super) page: Page,
    pub(super) operators: Operators,
    state: watch::Sender<State>,
    /// Held while a device is written and while late results are delivered, since both may be of one device.
    working: Mutex<()>,
}

/// What the page shows.
pub struct State {
    /// Who is signed on.
    pub operator: Option<SignedOn>,
    /// What the operator sees.
    pub scene: Scene,
    /// Something to know beside it.
    pub notice: Option<Text>,
    /// How many verdicts there were; each one sounds once.
    pub verdicts: u64,
    /// Whether the gateway is there.
    pub link: Link,
    /// How many results wait for it.
    pub waiting: usize,
}

/// An operator at work.
pub struct SignedOn {
    /// Their name.
    pub name: MemberName,
    /// Their shift.
    pub shift: Shift,
    /// Shown to the gateway with a second one when something is scrapped.
    badge: BadgeCode,
    /// The hash of the browser's secret.
    session: String,
    since: i64,
}

/// What the operator sees, and may do.
#[derive(Clone)]
pub enum Scene {
    /// The next plate may be scanned.
    Ready,
    /// A device is being written.
    Writing {
        /// What the plate said, once it was read.
        number: Option<DeviceNumber>,
        /// The device's chip, once it was found.
        chip: Option<HardwareUid>,
        /// How many steps are done.
        done: usize,
    },
    /// It is good.
    Green(DeviceNumber),
    /// It is not.
    Red {
        /// What was scanned.
        plate: String,
        /// Why.
        failure: Arc<Failure>,
        /// The device, where two operators may scrap it.
        unit: Option<Unit>,
    },
    /// A second person is to show their badge.
    SecondBadge(Unit),
    /// The gateway is asked.
    Scrapping(Unit),
    /// The device is scrapped.
    Scrapped {
        /// Its number.
        number: DeviceNumber,
        /// By whom.
        operators: [MemberName; 2],
    },
    /// The gateway did not scrap it.
    NotScrapped {
        /// The device.
        unit: Unit,
        /// Why.
        failure: Arc<Failure>,
    },
}

/// A device that may be scrapped.
#[derive(Clone)]
pub struct Unit {
    /// The number on its plate.
    pub number: DeviceNumber,
    chip: HardwareUid,
    /// The same however often it is tried.
    scrap: ScrapId,
}

/// Whether the gateway is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// It was not asked yet.
    NotTried,
    /// It answers.
    Reached,
    /// It does not, since this moment.
    Lost(i64),
}

/// What is done by a button, a key or a card.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Ask for the second badge.
    Scrap,
    /// Back to the next plate.
    Cancel,
    /// The operator leaves.
    SignOff,
}

impl Act {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Scrap, Self::Cancel, Self::SignOff];

    /// What a card says that does it, for those who have no keyboard at hand. A product code has four
    /// characters, so no plate says this.
    pub fn card(self) -> &'static str {
        match self {
            Self::Scrap => "C-SCRAP",
            Self::Cancel => "C-CANCEL",
            Self::SignOff => "C-SIGN-OFF",
        }
    }

    /// Its name on the card.
    pub fn name(self) -> Text {
        match self {
            Self::Scrap => texts::SCRAP,
            Self::Cancel => texts::CANCEL,
            Self::SignOff => texts::SIGN_OFF,
        }
    }
}

impl Scene {
    /// Whether nothing else may start.
    fn is_busy(&self) -> bool {
        matches!(self, Self::Writing { .. } | Self::Scrapping(_))
    }
}

impl Floor {
    /// The station as its files left it.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn open(page: Page) -> io::Result<Self> {
        let state = State {
            operator: None,
            scene: Scene::Ready,
            notice: None,
            verdicts: 0,
            link: Link::NotTried,
            waiting: page.station.waiting()?,
        };
        let operators = Operators::open(&page.data.join("operators.json"));
        Ok(Self { page, operators, state: watch::Sender::new(state), working: Mutex::default() })
    }

    /// What the page shows, now and whenever it changes.
    pub fn follow(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Whether the browser with this secret is the one where an operator is signed on.
    pub fn is_signed_on(&self, secret: &str) -> bool {
        let session = session_of(secret);
        let now = self.now();
        let is_theirs = |one: &SignedOn| one.session == session && now - one.since < SIGNED_ON_SECONDS_MAX;
        self.state.borrow().operator.as_ref().is_some_and(is_theirs)
    }

    /// Signs the operator of a badge on, in the browser that now has this secret. Whoever was signed on
    /// elsewhere no longer is.
    pub fn sign_on(&self, scan: &str, secret: &str) -> bool {
        let Ok(badge) = scan.parse::<BadgeCode>() else { return false };
        let Some(name) = self.operators.with_badge(&badge) else { return false };
        tracing::info!(operator = %name, "signed on");
        let operator = self.signed_on(name, badge, session_of(secret));
        self.state.send_modify(|state| {
            state.operator = Some(operator);
            state.notice = None;
            if !state.scene.is_busy() {
                state.scene = Scene::Ready;
            }
        });
        true
    }

    /// Does what a scan asks for: a badge, a card or a plate. While a device is written, nothing.
    pub fn scan(self: &Arc<Self>, scan: &str) {
        if let Ok(badge) = scan.parse() {
            self.show_badge(badge);
            return;
        }
        let plate = scan.trim();
        match Act::ALL.into_iter().find(|act| act.card() == plate) {
            Some(act) => self.act(act),
            None if plate.is_empty() => {}
            None => {
                let writing = Scene::Writing { number: None, chip: None, done: 0 };
                if self.change_scene(|scene| (!scene.is_busy()).then_some(writing)) {
                    tokio::spawn(Arc::clone(self).write(plate.to_owned()));
                }
            }
        }
    }

    /// Does what a button says.
    pub fn act(&self, act: Act) {
        match act {
            Act::Scrap => {
                self.change_scene(|scene| match scene {
                    Scene::Red { unit: Some(unit), .. } | Scene::NotScrapped { unit, .. } => {
                        Some(Scene::SecondBadge(unit.clone()))
                    }
                    _ => None,
                });
            }
            Act::Cancel => {
                self.change_scene(|scene| (!scene.is_busy()).then_some(Scene::Ready));
            }
            Act::SignOff => {
                if self.change_scene(|scene| (!scene.is_busy()).then_some(Scene::Ready)) {
                    self.state.send_modify(|state| state.operator = None);
                }
            }
        }
    }

    /// Learns whose badges are good and delivers results that wait, for ever.
    pub async fn keep_in_touch(&self) {
        loop {
            let is_reached = match self.page.station.operators().await {
                Ok(told) => {
                    kept(self.operators.learn(told));
                    true
                }
                Err(CallError::Refused(problem)) => {
                    tracing::warn!(%problem, "the gateway does not tell its operators");
                    !problem.code.is_passing()
                }
                Err(_) => false,
            };
            self.see_link(is_reached);
            if is_reached {
                let _alone = self.working.lock().await;
                kept(self.page.station.deliver_waiting().await.map(drop));
            }
            self.see_waiting();
            sleep(TOUCH_PAUSE).await;
        }
    }

    /// The time, for how long the gateway has been away.
    pub fn now(&self) -> i64 {
        self.page.clock.epoch_seconds()
    }

    fn signed_on(&self, name: MemberName, badge: BadgeCode, session: String) -> SignedOn {
        let since = self.now();
        let shift = Shift::begin(&self.page.data, &name, since);
        SignedOn { name, shift, badge, session, since }
    }

    /// The second badge where one is asked for. Otherwise the operator's own badge signs off, and another's
    /// takes over.
    fn show_badge(self: &Arc<Self>, badge: BadgeCode) {
        let Some(name) = self.operators.with_badge(&badge) else {
            self.state.send_modify(|state| state.notice = Some(texts::BADGE_UNKNOWN));
            return;
        };
        let mut scrapping = None;
        let mut is_leaving = false;
        self.state.send_modify(|state| {
            let Some(operator) = state.operator.as_mut() else { return };
            let is_same = operator.name == name;
            match &state.scene {
                scene if scene.is_busy() => {}
                Scene::SecondBadge(_) if is_same => state.notice = Some(texts::SAME_PERSON),
                Scene::SecondBadge(unit) => {
                    scrapping = Some((unit.clone(), operator.badge.clone()));
                    state.notice = None;
                    state.scene = Scene::Scrapping(unit.clone());
                }
                _ if is_same => is_leaving = true,
                _ => {
                    *operator = self.signed_on(name, badge.clone(), operator.session.clone());
                    (state.scene, state.notice) = (Scene::Ready, None);
                }
            }
        });
        if is_leaving {
            self.act(Act::SignOff);
        }
        if let Some((unit, first)) = scrapping {
            tokio::spawn(Arc::clone(self).scrap(unit, first, badge));
        }
    }

    async fn write(self: Arc<Self>, scan: String) {
        let _alone = self.working.lock().await;
        let watch = |step| self.see_step(step);
        let result = self.page.station.write_watched(&scan, &self.page.device, &watch).await;
        (self.page.report)(&scan, &result);
        match &result {
            Ok(_) => self.see_link(true),
            Err(Failure::GatewaySilent | Failure::NotReported) => self.see_link(false),
            Err(_) => {}
        }
        self.see_waiting();
        self.see_verdict(scan, result);
    }

    fn see_step(&self, step: Step) {
        self.state.send_modify(|state| {
            let Scene::Writing { number, chip, done } = &mut state.scene else { return };
            *done = match step {
                Step::PlateRead(plate) => {
                    *number = Some(plate);
                    1
                }
                Step::DeviceFound(found) => {
                    *chip = Some(found);
                    2
                }
                Step::PackFetched => 3,
                Step::Proved => 4,
                Step::Filed => 5,
            };
        });
    }

    fn see_verdict(&self, scan: String, result: Result<Written, Failure>) {
        let mut name = [0; 16];
        self.page.random.fill(&mut name);
        self.state.send_modify(|state| {
            state.verdicts += 1;
            let shift = state.operator.as_mut().map(|operator| &mut operator.shift);
            let scene = std::mem::replace(&mut state.scene, Scene::Ready);
            state.scene = match result {
                Ok(written) => {
                    shift.map(Shift::count_good).into_iter().for_each(kept);
                    Scene::Green(written.device_number)
                }
                Err(failure) => {
                    // A device whose result only waits is as good as its result.
                    let is_failed =
                        failure.handling() != Handling::RetrySafe && !matches!(failure, Failure::NotReported);
                    if is_failed {
                        shift.map(Shift::count_failed).into_iter().for_each(kept);
                    }
                    let unit = match scene {
                        Scene::Writing { number: Some(number), chip: Some(chip), .. } if is_failed => {
                            Some(Unit { number, chip, scrap: ScrapId::new(name) })
                        }
                        _ => None,
                    };
                    Scene::Red { plate: scan, failure: Arc::new(failure), unit }
                }
            };
        });
    }

    async fn scrap(self: Arc<Self>, unit: Unit, first_badge: BadgeCode, second_badge: BadgeCode) {
        let request = ScrapRequest {
            scrap: unit.scrap,
            device_number: unit.number.clone(),
            hardware_uid: unit.chip.clone(),
            first_badge,
            second_badge,
        };
        let result = self.page.station.scrap(&request).await;
        self.state.send_modify(|state| {
            state.verdicts += 1;
            state.scene = match result {
                Ok(scrapped) => {
                    let shift = state.operator.as_mut().map(|operator| &mut operator.shift);
                    shift.map(Shift::count_scrapped).into_iter().for_each(kept);
                    Scene::Scrapped { number: scrapped.device_number, operators: scrapped.operators }
                }
                Err(Failure::GatewayRefused { problem, .. }) if problem.code == ProblemCode::BadgeRefused => {
                    state.notice = Some(texts::BADGE_REFUSED);
                    Scene::SecondBadge(unit)
                }
                Err(failure) => Scene::NotScrapped { unit, failure: Arc::new(failure) },
            };
        });
    }

    fn see_link(&self, is_reached: bool) {
        let now = self.now();
        self.state.send_if_modified(|state| {
            let link = match (is_reached, state.link) {
                (true, _) => Link::Reached,
                (false, Link::Lost(since)) => Link::Lost(since),
                (false, _) => Link::Lost(now),
            };
            std::mem::replace(&mut state.link, link) != link
        });
    }

    fn see_waiting(&self) {
        match self.page.station.waiting() {
            Ok(waiting) => {
                let is_other = |state: &mut State| std::mem::replace(&mut state.waiting, waiting) != waiting;
                self.state.send_if_modified(is_other);
            }
            Err(error) => kept(Err(error)),
        }
    }

    /// Puts another scene in the place of the one that there is, and takes the notice away with it.
    fn change_scene(&self, next: impl FnOnce(&Scene) -> Option<Scene>) -> bool {
        self.state.send_if_modified(|state| match next(&state.scene) {
            Some(scene) => {
                (state.scene, state.notice) = (scene, None);
                true
            }
            None => false,
        })
    }
}

/// Only the hash of a browser's secret is kept.
fn session_of(secret: &str) -> String {
    Fingerprint::of(secret.as_bytes()).to_string()
}

/// A file that is not kept harms no device; the log says so.
fn kept(done: io::Result<()>) {
    if let Err(error) = done {
        tracing::warn!(%error, "the station cannot keep a file");
    }
}
