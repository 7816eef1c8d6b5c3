//! A device as a station sees it: frames in, frames out.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail a test by panicking")]

mod exchange;

use device::WriteModule;
use device::sim::{FLASH_BYTES, NVRAM_BYTES, SimBoard};
use identity::line::{
    self, ANSWER_FRAME_BYTES_MAX, Answer, CertificatePart, FRAME_BYTES_MAX, Identity, Key, Pack, Request,
    Session, Transmission, Version,
};

type Board = SimBoard<Vec<u8>>;
type Device = WriteModule<Board>;

/// Made by `openssl ecparam -name prime256v1 -genkey`.
const SECRET_KEY: &[u8] = include_bytes!("../secret_key.der");
const CERTIFICATES: CertificatePart<'_> =
    CertificatePart { root: b"root", issuing: b"issuing", client: b"client", key: Key::Plain(SECRET_KEY) };
const CHALLENGE: [u8; 32] = [0xc4; 32];

fn board() -> Board {
    let (product, uid) = ("3012".parse().unwrap(), "00112233".parse().unwrap());
    SimBoard::new(product, uid, 1, vec![0xff; FLASH_BYTES], vec![0xff; NVRAM_BYTES])
}

fn device() -> Device {
    WriteModule::new(board())
}

fn pack(number: &str) -> Pack<'static> {
    Pack { device_number: number.parse().unwrap(), certificate: Some(CERTIFICATES), symmetric: None }
}

fn ask(device: &mut Device, request: &Request<'_>) -> Answer {
    let mut frame = [0; FRAME_BYTES_MAX];
    let length = line::encode(Version::CURRENT, request, &mut frame).unwrap();
    let mut answer = [0; ANSWER_FRAME_BYTES_MAX];
    let answered = device.handle_frame(&mut frame[..length], &mut answer);
    assert!(frame[..length].iter().all(|byte| *byte == 0), "the request is wiped");
    line::decode(&mut answer[..answered]).unwrap().1
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

/// Writes `pack` and has it confirmed.
fn make(device: &mut Device, pack: Pack<'_>) -> Session {
    let session = identify(device).session;
    assert_eq!(send(device, session, pack), Answer::Reception);
    assert_eq!(ask(device, &Request::ResultResponse { session }), Answer::Done);
    session
}
