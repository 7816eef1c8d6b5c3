//! Roll-outs: who is asked, once each; what halts them; and the way back.

use center::{CenterError, Files, RolloutPlan, is_in_share};
use identity::FirmwareVersion;
use message::call::{CallAnswer, Command, Event, Outcome, RequestResult};
use message::problem::ProblemCode;
use store::center::firmware::Firmware;
use store::center::rollout::{Counts, Rollout, State};
use store::testing::on_both;
use transport::FilePart;

use crate::firmware::Maker;
use crate::plant::{Device, Plant, person, refusal};

fn plan(firmware: &Firmware, share: u8, minimum: u64) -> RolloutPlan {
    let (firmware, product) = (firmware.name.clone(), firmware.product.clone());
    RolloutPlan { firmware, product, share, halt_above: 20, minimum }
}

/// A device that calls, with what it runs and what it has to say of requests.
struct Caller<'a> {
    device: &'a Device,
    runs: FirmwareVersion,
    sequence: u32,
    results: Vec<RequestResult>,
}

impl<'a> Caller<'a> {
    fn of(device: &'a Device) -> Self {
        Self { device, runs: "1.0.0".parse().unwrap(), sequence: 0, results: Vec::new() }
    }

    async fn poll(&mut self, plant: &Plant) -> CallAnswer {
        self.sequence += 1;
        let mut call = self.device.call(1, self.sequence, Event::Poll);
        call.firmware = Some(self.runs);
        call.results = std::mem::take(&mut self.results);
        plant.call(self.device, &call).await.unwrap()
    }

    /// Calls and does what it is asked, or not; what it was asked.
    async fn follow(&mut self, plant: &Plant, new: Result<&str, Outcome>) -> Vec<Command> {
        let requests = self.poll(plant).await.requests;
        for request in &requests {
            let outcome = match &new {
                Ok(version) => {
                    self.runs = version.parse().unwrap();
                    Outcome::Done
                }
                Err(outcome) => outcome.clone(),
            };
            self.results.push(RequestResult { request: request.request, outcome });
        }
        if !requests.is_empty() {
            self.poll(plant).await;
        }
        requests.into_iter().map(|request| request.command).collect()
    }
}

async fn rollout(plant: &Plant, id: u64) -> Rollout {
    plant.desk().rollouts().await.unwrap().into_iter().find(|rollout| rollout.id == id).unwrap()
}

fn failed() -> Outcome {
    Outcome::Failed { reason: "no room".parse().unwrap() }
}

fn fetch(firmware: &Firmware) -> Command {
    Command::FetchFirmware { package: firmware.name.parse().unwrap() }
}

#[tokio::test]
async fn a_share_gets_the_package_once_each_and_a_larger_one_the_rest() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        let maker = Maker::known(&plant).await;
        let (old, new) = (maker.add(&plant, "1.0.0").await, maker.add(&plant, "1.1.0").await);
        let mut devices = Vec::new();
        for n in 0..24 {
            devices.push(plant.device(&format!("3012-{n:06}")).await);
        }
        let other = plant.device("3013-000001").await;
        let mut callers: Vec<Caller<'_>> = devices.iter().map(Caller::of).collect();

        let id = plant.desk().start_rollout(plan(&new, 40, 5), &person()).await.unwrap().id;
        let mut asked = 0;
        for caller in &mut callers {
            let is_in = is_in_share(id, &caller.device.number, 40);
            let commands = caller.follow(&plant, Ok("1.1.0")).await;
            assert_eq!(commands, if is_in { vec![fetch(&new)] } else { vec![] });
            asked += u64::from(is_in);
        }
        assert!((4..20).contains(&asked), "{asked} of 24 in a share of 40 percent");
        assert_eq!(Caller::of(&other).follow(&plant, Ok("1.1.0")).await, []);
        let counts = Counts { asked, done: asked, ..Counts::default() };
        assert_eq!(rollout(&plant, id).await.counts, counts);

        plant.restart().await;
        for caller in &mut callers {
            assert_eq!(caller.follow(&plant, Ok("1.1.0")).await, [], "nobody is asked twice");
        }
        plant.desk().widen_rollout(id, 100, &person()).await.unwrap();
        let narrower = plant.desk().widen_rollout(id, 50, &person()).await;
        assert!(matches!(narrower, Err(CenterError::Conflict(_))), "{narrower:?}");
        for caller in &mut callers {
            let is_new = !is_in_share(id, &caller.device.number, 40);
            assert_eq!(caller.follow(&plant, Ok("1.1.0")).await.len(), usize::from(is_new));
        }
        let counts = Counts { asked: 24, done: 24, ..Counts::default() };
        assert_eq!(
            (rollout(&plant, id).await.counts, rollout(&plant, id).await.state),
            (counts, State::Running)
        );
        let listed = plant.desk().devices(None, 100).await.unwrap();
        assert_eq!(listed.iter().filter(|device| device.firmware == Some(new.version)).count(), 24);

        // What is asked by policy stands in the journal, from which an invoice is counted again.
        assert_eq!(plant.billed(&devices[0]).await, 0);
        let needed = plant.desk().remove_firmware(&Files::new(plant.files()), &new.name, &person()).await;
        assert!(matches!(needed, Err(CenterError::Conflict(_))), "{needed:?}");
        plant.desk().remove_firmware(&Files::new(plant.files()), &old.name, &person()).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn failures_halt_a_roll_out_and_a_person_lets_it_go_on() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        let new = Maker::known(&plant).await.add(&plant, "1.1.0").await;
        let mut devices = Vec::new();
        for n in 0..8 {
            devices.push(plant.device(&format!("3012-{n:06}")).await);
        }
        let mut callers: Vec<Caller<'_>> = devices.iter().map(Caller::of).collect();
        let id = plant.desk().start_rollout(plan(&new, 100, 4), &person()).await.unwrap().id;
        // The last is in the middle of its fetch when the others fail.
        let address = plant.serve().await;
        let path = format!("/v1/files/{}", new.name);
        let waiting = &mut callers.pop().unwrap();
        assert_eq!(waiting.poll(&plant).await.requests.len(), 1);
        let client = plant.client(address, Some(waiting.device));
        let FilePart { total, .. } = client.get_range(&path, 0..=9, None).await.unwrap();
        assert_eq!(total, new.length);

        let lying = callers[0].poll(&plant).await.requests[0].request;
        callers[0].results = vec![RequestResult { request: lying, outcome: Outcome::Done }];
        callers[0].poll(&plant).await;
        for caller in &mut callers[1..3] {
            assert_eq!(caller.follow(&plant, Ok("1.1.0")).await, [fetch(&new)]);
        }
        assert_eq!(rollout(&plant, id).await.state, State::Running, "three results are too few to judge");
        assert_eq!(callers[3].follow(&plant, Ok("1.1.0")).await, [fetch(&new)]);
        let halted = rollout(&plant, id).await;
        let counts = Counts { asked: 5, done: 3, failed: 1, ..Counts::default() };
        assert_eq!((halted.state, halted.counts), (State::Halted, counts), "one in four runs something else");
        assert_eq!(halted.reason, "1 of 4 devices do not run it");
        assert_eq!(callers[4].follow(&plant, Ok("1.1.0")).await, []);
        let refused = refusal(client.get_range(&path, 10..=19, None).await);
        assert_eq!(refused.code, ProblemCode::Unavailable, "it is to ask again later");

        plant.desk().resume_rollout(id, &person()).await.unwrap();
        client.get_range(&path, 10..=19, None).await.unwrap();
        for caller in &mut callers[4..7] {
            assert_eq!(caller.follow(&plant, Err(failed())).await, [fetch(&new)]);
        }
        assert_eq!(rollout(&plant, id).await.state, State::Running, "what failed before no longer counts");
        waiting.results = vec![RequestResult {
            request: plant.desk().requests(Some(&waiting.device.number), 1).await.unwrap()[0].id,
            outcome: Outcome::Refused { reason: "the package is older than what runs".parse().unwrap() },
        }];
        waiting.poll(&plant).await;
        let halted = rollout(&plant, id).await;
        assert_eq!((halted.state, halted.counts.refused), (State::Halted, 1));
        for verb in
            [plant.desk().halt_rollout(id, &person()).await, plant.desk().resume_rollout(9, &person()).await]
        {
            assert!(matches!(verb, Err(CenterError::Conflict(_) | CenterError::Unknown(_))), "{verb:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn who_runs_what_was_rolled_back_goes_back_once() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        let maker = Maker::known(&plant).await;
        let (old, new) = (maker.add(&plant, "1.0.0").await, maker.add(&plant, "1.1.0").await);
        let mut devices = Vec::new();
        for n in 0..4 {
            devices.push(plant.device(&format!("3012-{n:06}")).await);
        }
        let mut callers: Vec<Caller<'_>> = devices.iter().map(Caller::of).collect();
        let id = plant.desk().start_rollout(plan(&new, 100, 100), &person()).await.unwrap().id;
        for caller in &mut callers[..2] {
            caller.follow(&plant, Ok("1.1.0")).await;
        }
        callers[2].follow(&plant, Err(failed())).await;
        let back = plant.desk().roll_back(id, None, &person()).await.unwrap();
        assert_eq!(back.previous, Some((old.name.clone(), old.version)));
        let address = plant.serve().await;
        for (n, caller) in callers.iter_mut().enumerate() {
            let requests = caller.poll(&plant).await.requests;
            let expected = Command::RollBackFirmware { package: old.name.parse().unwrap() };
            assert_eq!(
                requests.iter().map(|request| &request.command).collect::<Vec<_>>(),
                if n < 2 { vec![&expected] } else { vec![] }
            );
            let client = plant.client(address, Some(caller.device));
            let given = client.get_range(&format!("/v1/files/{}", old.name), 0..=9, None).await;
            assert_eq!(given.is_ok(), n < 2);
            let taken_back = client.get_range(&format!("/v1/files/{}", new.name), 0..=9, None).await;
            assert_eq!(refusal(taken_back).code, ProblemCode::NotAllowed);
            for request in requests {
                caller.runs = old.version;
                caller.results.push(RequestResult { request: request.request, outcome: Outcome::Done });
            }
            assert_eq!(caller.poll(&plant).await.requests, []);
        }
        assert_eq!(rollout(&plant, id).await.counts.rolled_back, 2);

        // A later version goes out in a roll-out of its own, which ends the one before.
        let fixed = maker.add(&plant, "1.1.1").await;
        let next = plant.desk().start_rollout(plan(&fixed, 100, 100), &person()).await.unwrap().id;
        assert_eq!((next, rollout(&plant, id).await.state), (id + 1, State::Ended));
        for caller in &mut callers {
            assert_eq!(caller.follow(&plant, Ok("1.1.1")).await, [fetch(&fixed)]);
        }
    })
    .await;
}

#[tokio::test]
async fn nobody_goes_back_behind_what_the_maker_forbids() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        let maker = Maker::known(&plant).await;
        maker.add(&plant, "1.0.0").await;
        let secure =
            crate::firmware::add(&plant, &maker.package("3012", "1.1.0", 1, b"secure")).await.unwrap();
        let id = plant.desk().start_rollout(plan(&secure, 1, 1), &person()).await.unwrap().id;
        let back = plant.desk().roll_back(id, None, &person()).await;
        assert!(
            matches!(&back, Err(CenterError::Conflict(why)) if why.contains("security number")),
            "{back:?}"
        );
        let other = RolloutPlan { product: "3013".parse().unwrap(), ..plan(&secure, 1, 1) };
        let other = plant.desk().start_rollout(other, &person()).await;
        assert!(matches!(other, Err(CenterError::Conflict(_))), "{other:?}");
    })
    .await;
}
