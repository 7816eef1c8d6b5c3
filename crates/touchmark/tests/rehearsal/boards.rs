//! Boards: a sound one masters every case, and each fault that is planted in one is found.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use identity::line::{
    Answer, Confirmation, Identity, Key, Pack, Refusal, Request, Session, SigningRequest, WriteResult,
};
use identity::profile::Sealing;
use seal::{ChipKey, PreWriteKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use touchmark::emulator::{EmulatedDevice, serve_http, serve_tcp};
use touchmark::rehearsal::authority::RehearsalAuthority;
use touchmark::rehearsal::board::{AlreadyFinished, Board, Case, Means};
use touchmark::rehearsal::faulty::{Fault, FaultyDevice};
use touchmark::rehearsal::{Outcome, Verdict};
use touchmark::surroundings::{SystemClock, SystemRandom};

/// A blank device with every key that a device may have.
fn device() -> EmulatedDevice {
    let chip = "0011223344556677".parse().unwrap();
    EmulatedDevice::new("A123".parse().unwrap(), chip, 7)
        .with_pre_write_key(pre_write_key())
        .with_chip_key(ChipKey::new(&[9; 32]).unwrap())
}

fn pre_write_key() -> PreWriteKey {
    PreWriteKey::new("A123-1".parse().unwrap(), &[7; 32])
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

async fn find(address: &str, sealing: Sealing) -> anyhow::Result<Board> {
    let authority =
        RehearsalAuthority::new(Some(pre_write_key()), Arc::new(SystemClock), Arc::new(SystemRandom))?;
    Board::find(Means {
        address: address.parse()?,
        step_limit: Duration::from_secs(1),
        authority: Arc::new(authority),
        sealing: Some(sealing),
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
    })
    .await
}

async fn verdicts(address: &str, sealing: Sealing) -> Vec<Verdict> {
    let mut board = find(address, sealing).await.unwrap();
    let mut verdicts = Vec::new();
    for case in Case::ALL.iter().copied() {
        verdicts.push(board.try_case(case).await);
    }
    verdicts
}

/// The names of the cases that a device with this fault does not master.
async fn failed(fault: Fault) -> Vec<&'static str> {
    let (listener, address) = listen().await;
    let faulty = FaultyDevice::new(Arc::new(Mutex::new(device())), fault);
    let serving = tokio::spawn(async move { faulty.serve(listener).await });
    let verdicts = verdicts(&format!("tcp:{address}"), Sealing::PreWriteKey).await;
    serving.abort();
    let failed = verdicts.iter().filter(|verdict| verdict.outcome == Outcome::Failed);
    failed.map(|verdict| verdict.case).collect()
}

#[tokio::test]
async fn a_sound_board_masters_every_case_over_frames_and_soap() {
    let (listener, address) = listen().await;
    let serving = Arc::new(Mutex::new(device()));
    tokio::spawn(async move { serve_tcp(serving, listener).await });
    let over_frames = verdicts(&format!("tcp:{address}"), Sealing::PreWriteKey).await;

    let (listener, address) = listen().await;
    let serving = Arc::new(Mutex::new(device()));
    tokio::spawn(async move { serve_http(serving, listener).await });
    let over_soap = verdicts(&format!("http://{address}/soap"), Sealing::PreWriteKey).await;

    let (listener, address) = listen().await;
    let chip = "0011223344556677".parse().unwrap();
    let derived = device().with_pre_write_key(pre_write_key().for_chip(&chip));
    let serving = Arc::new(Mutex::new(derived));
    tokio::spawn(async move { serve_tcp(serving, listener).await });
    let with_derived_key = verdicts(&format!("tcp:{address}"), Sealing::DeviceKey).await;

    for verdict in [over_frames, over_soap, with_derived_key].concat() {
        assert_eq!(verdict.outcome, Outcome::Passed, "{verdict:?}");
    }
}

#[tokio::test]
async fn a_finished_board_is_not_tried() {
    let (listener, address) = listen().await;
    let serving = Arc::new(Mutex::new(device()));
    tokio::spawn(async move { serve_tcp(serving, listener).await });
    let address = format!("tcp:{address}");
    let mut board = find(&address, Sealing::PreWriteKey).await.unwrap();
    assert_eq!(board.try_case(Case::Whole).await.outcome, Outcome::Passed);
    drop(board);
    let error = find(&address, Sealing::PreWriteKey).await.err().unwrap();
    assert!(error.is::<AlreadyFinished>(), "{error}");
}

/// A device that says that it took the pack, where it should refuse it for this reason.
fn takes(refusal: Refusal) -> Fault {
    Box::new(move |request, sound| match (request, sound(request)?) {
        (Request::Transmission(_), Answer::Refused(reason)) if reason == refusal => Some(Answer::Reception),
        (_, answer) => Some(answer),
    })
}

/// A device whose answers are changed.
fn answers(change: impl Fn(&mut Answer) + Send + 'static) -> Fault {
    Box::new(move |request, sound| {
        let mut answer = sound(request)?;
        change(&mut answer);
        Some(answer)
    })
}

/// A device that says something else when it is to prove itself.
fn proves(change: fn(&mut WriteResult)) -> Fault {
    answers(move |answer| {
        if let Answer::WriteResult(result) = answer {
            change(result);
        }
    })
}

fn confirms(change: fn(&mut Confirmation)) -> Fault {
    answers(move |answer| {
        if let Answer::WriteResult(WriteResult { confirmation: Some(confirmation), .. }) = answer {
            change(confirmation);
        }
    })
}

fn says_of_itself(change: fn(&mut Identity)) -> Fault {
    answers(move |answer| {
        if let Answer::Identity(identity) = answer {
            change(identity);
        }
    })
}

/// It signs its requests wrongly.
fn spoils_its_signing_requests() -> Fault {
    answers(|answer| {
        if let Answer::SigningRequest(SigningRequest(request)) = answer {
            *request.last_mut().unwrap() ^= 1;
        }
    })
}

/// Once it has proved itself, it gives the same proof for good.
fn repeats_its_proof() -> Fault {
    let mut first = None;
    Box::new(move |request, sound| {
        Some(match sound(request)? {
            Answer::WriteResult(result) => Answer::WriteResult(first.get_or_insert(result).clone()),
            answer => answer,
        })
    })
}

/// Whoever asks for proof gets it, also of nothing.
fn claims_to_hold_a_pack() -> Fault {
    Box::new(|request, sound| match (request, sound(request)?) {
        (Request::ResultRequest { .. }, Answer::Refused(Refusal::NothingStored)) => {
            Some(Answer::WriteResult(WriteResult {
                device_number: "A123-900001".parse().unwrap(),
                pack_digest: [0; 32],
                signature: [1; 64].into_iter().collect(),
                confirmation: None,
            }))
        }
        (_, answer) => Some(answer),
    })
}

/// It takes a pack once only.
fn takes_nothing_twice() -> Fault {
    let mut taken = Vec::new();
    Box::new(move |request, sound| {
        let answer = sound(request)?;
        if let (Request::Transmission(transmission), Answer::Reception) = (request, &answer) {
            let number = transmission.pack.device_number.clone();
            if taken.contains(&number) {
                return Some(Answer::Refused(Refusal::HoldsAnother));
            }
            taken.push(number);
        }
        Some(answer)
    })
}

/// It answers to these packs as if it could not open them.
fn cannot_open(which: fn(&Pack<'_>) -> bool) -> Fault {
    Box::new(move |request, sound| match request {
        Request::Transmission(transmission) if which(&transmission.pack) => {
            Some(Answer::Refused(Refusal::NotOpened))
        }
        other => sound(other),
    })
}

#[tokio::test]
async fn every_planted_fault_is_found() {
    let faults: Vec<(&str, Fault)> = vec![
        ("identifies", says_of_itself(|identity| identity.session = Session::new([1; 16]))),
        ("nothing-stored", claims_to_hold_a_pack()),
        ("wrong-product", takes(Refusal::WrongProduct)),
        ("plain", proves(|result| result.signature[0] ^= 1)),
        ("plain", proves(|result| result.pack_digest[0] ^= 1)),
        ("fresh-proof", repeats_its_proof()),
        ("repeated", takes_nothing_twice()),
        ("replayed", takes(Refusal::Replayed)),
        ("p-384", proves(|result| drop(result.signature.resize(64, 0)))),
        ("sealed", cannot_open(|pack| matches!(pack.certificate.map(|part| part.key), Some(Key::Sealed(_))))),
        ("symmetric-opened", proves(|result| result.confirmation = None)),
        ("symmetric-opened", confirms(|confirmation| confirmation.authority[0] ^= 1)),
        ("symmetric-sealed", confirms(|confirmation| confirmation.station[0] ^= 1)),
        ("both", cannot_open(|pack| pack.certificate.is_some() && pack.symmetric.is_some())),
        ("wrong-key", takes(Refusal::WrongKey)),
        ("altered", takes(Refusal::NotOpened)),
        ("misdirected", takes(Refusal::NotOpened)),
        ("own-key", spoils_its_signing_requests()),
        ("owed-certificate", cannot_open(|pack| pack.certificate.is_none() && pack.symmetric.is_none())),
        ("foreign-certificate", takes(Refusal::ForeignCertificate)),
        ("whole", says_of_itself(|identity| identity.confirmed = false)),
        ("finished", takes(Refusal::HoldsAnother)),
    ];
    for (case, fault) in faults {
        let failed = failed(fault).await;
        assert!(failed.contains(&case), "{case} is not among those failed: {failed:?}");
    }
}

#[tokio::test]
async fn a_board_that_a_cut_line_leaves_dead_is_found() {
    let (listener, address) = listen().await;
    let (front, front_address) = listen().await;
    let serving = Arc::new(Mutex::new(device()));
    tokio::spawn(async move { serve_tcp(serving, listener).await });
    tokio::spawn(async move { dies_of_cut_frames(front, &address).await });
    let verdicts = verdicts(&format!("tcp:{front_address}"), Sealing::PreWriteKey).await;
    let by_name = |name: &str| verdicts.iter().find(|verdict| verdict.case == name).unwrap().outcome;
    assert_eq!((by_name("replayed"), by_name("broken-line")), (Outcome::Passed, Outcome::Failed));
}

/// Passes connections on to the device, until one ends in the middle of a frame.
async fn dies_of_cut_frames(front: TcpListener, device: &str) -> io::Result<()> {
    loop {
        let (mut station, _) = front.accept().await?;
        let mut device = TcpStream::connect(device).await?;
        let (mut request, mut answer) = ([0; 1_024], [0; 1_024]);
        let mut last = 0;
        loop {
            tokio::select! {
                length = station.read(&mut request) => match length? {
                    0 => break,
                    length => {
                        last = request[length - 1];
                        device.write_all(&request[..length]).await?;
                    }
                },
                length = device.read(&mut answer) => station.write_all(&answer[..length?]).await?,
            }
        }
        if last != 0 {
            return Ok(());
        }
    }
}
