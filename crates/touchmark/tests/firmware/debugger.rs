//! Stops the machine at an exact write to its memory, over the GDB remote serial protocol.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;

/// A debugger on a machine that stands still until it is told to run.
pub struct Debugger {
    stream: BufReader<UnixStream>,
}

impl Debugger {
    /// Takes hold of the running machine at the other end.
    pub fn attach(stream: UnixStream) -> Self {
        let mut debugger = Self { stream: BufReader::new(stream) };
        debugger.expect_stop("T02");
        debugger
    }

    /// Lets the machine run until it has written to one of these words `times` times.
    pub fn run_over_writes(&mut self, words: &[u32], times: u32, start: impl FnOnce()) {
        self.set_watchpoints(words);
        self.send("c");
        start();
        for pass in 1..=times {
            self.expect_stop("T05");
            // The machine stands before the write, and would stop there again.
            self.clear_watchpoints(words);
            self.send("s");
            self.expect_stop("T05");
            if pass < times {
                self.set_watchpoints(words);
                self.send("c");
            }
        }
    }

    /// Lets go of the machine, which runs on.
    pub fn detach(mut self) {
        self.send("D");
        self.expect_done();
    }

    fn set_watchpoints(&mut self, words: &[u32]) {
        for word in words {
            self.send(&format!("Z2,{word:x},4"));
            self.expect_done();
        }
    }

    fn clear_watchpoints(&mut self, words: &[u32]) {
        for word in words {
            self.send(&format!("z2,{word:x},4"));
            self.expect_done();
        }
    }

    fn expect_done(&mut self) {
        assert_eq!(self.receive(), "OK");
    }

    fn expect_stop(&mut self, reason: &str) {
        let stop = self.receive();
        assert!(stop.starts_with(reason), "the machine stops with {reason}: {stop}");
    }

    fn send(&mut self, packet: &str) {
        let sum = packet.bytes().fold(0u8, u8::wrapping_add);
        write!(self.stream.get_mut(), "${packet}#{sum:02x}").unwrap();
        let mut acknowledgement = [0];
        self.stream.read_exact(&mut acknowledgement).unwrap();
        assert_eq!(acknowledgement, *b"+");
    }

    fn receive(&mut self) -> String {
        let mut packet = Vec::new();
        self.stream.read_until(b'#', &mut packet).unwrap();
        let mut sum = [0; 2];
        self.stream.read_exact(&mut sum).unwrap();
        self.stream.get_mut().write_all(b"+").unwrap();
        String::from_utf8(packet).unwrap().trim_start_matches('$').trim_end_matches('#').to_owned()
    }
}
