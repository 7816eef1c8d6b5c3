//! A device as a station sees it: frames in, frames out.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail a test by panicking")]

mod calling;
mod common_certificate;
mod exchange;
mod own_key;
mod power_cuts;
mod recovery;
mod renewal;
mod sealed;

use device::WriteModule;
use device::sim::{FLASH_BYTES, NVRAM_BYTES, SimBoard};
use identity::line::{
    ANSWER_FRAME_BYTES_MAX, Answer, CertificatePart, FRAME_BYTES_MAX, Identity, Key, Pack, Request, Session,
    Transmission, Version, WriteResult, decode, encode,
};

type TestBoard = SimBoard<Vec<u8>>;
type Device = WriteModule<TestBoard>;

/// Made by `openssl ecparam -name prime256v1 -genkey`.
const SECRET_KEY: &[u8] = include_bytes!("../secret_key.der");
const CERTIFICATES: CertificatePart<'_> =
    CertificatePart { root: b"root", issuing: b"issuing", client: b"client", key: Key::Plain(SECRET_KEY) };
const CHALLENGE: [u8; 32] = [0xc4; 32];

fn board() -> TestBoard {
    let (product, uid) = ("3012".parse().unwrap(), "00112233".parse().unwrap());
    SimBoard::new(product, uid, 1, vec![0xff; FLASH_BYTES], vec![0xff; NVRAM_BYTES])
}

fn device() -> Device {
    WriteModule::new(board())
}

/// The device after its power was off.
fn restarted(device: &mut Device) -> Device {
    WriteModule::new(device.board().clone())
}

fn pack(number: &str) -> Pack<'static> {
    Pack { device_number: number.parse().unwrap(), certificate: Some(CERTIFICATES), symmetric: None }
}

fn ask(device: &mut Device, request: &Request<'_>) -> Answer {
    ask_in(Version::CURRENT, device, request)
}

fn ask_in(version: Version, device: &mut Device, request: &Request<'_>) -> Answer {
    let mut frame = [0; FRAME_BYTES_MAX];
    let length = encode(version, request, &mut frame).unwrap();
    let mut answer = [0; ANSWER_FRAME_BYTES_MAX];
    let answered = device.handle_frame(&mut frame[..length], &mut answer);
    assert!(frame[..length].iter().all(|byte| *byte == 0), "the request is wiped");
    decode(&mut answer[..answered]).unwrap().1
}

fn identify(device: &mut Device) -> Identity {
    match ask(device, &Request::Identify) {
        Answer::Identity(identity) => identity,
        answer => panic!("{answer:?}"),
    }
}

fn send(device: &mut Device, session: Session, pack: Pack<'_>) -> Answer {
    ask(device, &Request::Transmission(Transmission { session, pack }))
}

fn result(device: &mut Device, session: Session) -> WriteResult {
    match ask(device, &Request::ResultRequest { session, challenge: CHALLENGE }) {
        Answer::WriteResult(result) => result,
        answer => panic!("{answer:?}"),
    }
}

fn confirm(device: &mut Device, session: Session) {
    assert_eq!(ask(device, &Request::ResultResponse { session }), Answer::Done);
}

/// Writes `pack` and has it confirmed.
fn make(device: &mut Device, pack: Pack<'_>) -> Session {
    let session = identify(device).session;
    assert_eq!(send(device, session, pack), Answer::Reception);
    confirm(device, session);
    session
}

/// Whether these bytes stand anywhere in the device's memories.
fn remembers(device: &mut Device, bytes: &[u8]) -> bool {
    let board = device.board();
    [board.flash_image(), board.nvram_image()]
        .iter()
        .any(|image| image.windows(bytes.len()).any(|window| window == bytes))
}
