//! The device's port, as whoever stands at it sees it.

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use identity::line::{
    self, ANSWER_FRAME_BYTES_MAX, Answer, FRAME_BYTES_MAX, FrameCollector, Identity, Request, Session,
    Transmission, WriteResult,
};

use crate::packs::TestPack;

/// Far more than any answer takes, also on a busy machine.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);

/// A connection with the device's UART.
pub struct Port {
    stream: BufReader<TcpStream>,
    answers: FrameCollector<ANSWER_FRAME_BYTES_MAX>,
}

impl Port {
    /// Connects to the UART at this TCP port.
    pub fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(ANSWER_TIME_MAX)).unwrap();
        Self { stream: BufReader::new(stream), answers: FrameCollector::new() }
    }

    /// Sends a request and returns the answer.
    pub fn ask(&mut self, request: &Request<'_>) -> Answer {
        self.send(&frame(request));
        self.answer()
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
    }

    /// Waits for an answer.
    pub fn answer(&mut self) -> Answer {
        loop {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).expect("the device answers");
            if let Some(frame) = self.answers.push(byte[0]) {
                let (_, answer) = line::decode(frame.unwrap()).unwrap();
                return answer;
            }
        }
    }

    /// Opens a session.
    pub fn identify(&mut self) -> Identity {
        match self.ask(&Request::Identify) {
            Answer::Identity(identity) => identity,
            other => panic!("not an identity: {other:?}"),
        }
    }

    /// Has the device store a pack.
    pub fn transmit(&mut self, session: Session, pack: &TestPack) -> Answer {
        self.ask(&transmission(session, pack))
    }

    /// Has the device prove what it holds.
    pub fn prove(&mut self, session: Session, challenge: [u8; 32]) -> WriteResult {
        match self.ask(&Request::ResultRequest { session, challenge }) {
            Answer::WriteResult(result) => result,
            other => panic!("not a write result: {other:?}"),
        }
    }
}

/// The request that has a device store `pack`.
pub fn transmission(session: Session, pack: &TestPack) -> Request<'_> {
    Request::Transmission(Transmission { session, pack: pack.as_line_pack() })
}

/// A request as it travels.
pub fn frame(request: &Request<'_>) -> Vec<u8> {
    let mut frame = vec![0; FRAME_BYTES_MAX];
    let length = line::encode(request.oldest_version(), request, &mut frame).unwrap();
    frame.truncate(length);
    frame
}
