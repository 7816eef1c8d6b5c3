//! The firmware's machine: QEMU's mps2-an386, its memory and its reset button.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use authority::ExportedKey;
use seal::PreWriteKey;
use serde_json::{Value, json};
use store::Secret;
use tempfile::TempDir;
use touchmark::firmware_source::rust_source;

use crate::debugger::Debugger;
use crate::packs::pre_write_key;

/// Where the firmware finds its chip's number (firmware/cortex-m4/src/chip.rs).
const UID: u32 = 0x2110_0000;
const START_TIME_MAX: Duration = Duration::from_secs(20);

/// A running machine; it ends when dropped.
pub struct Machine {
    qemu: Child,
    monitor: BufReader<UnixStream>,
    directory: TempDir,
}

impl Machine {
    /// A machine with blank memories whose chip has this number.
    pub fn start(uid: [u8; 16]) -> Self {
        Self::start_with(firmware(), uid)
    }

    /// A machine with this program.
    pub fn start_with(program: &Path, uid: [u8; 16]) -> Self {
        let directory = TempDir::new().unwrap();
        let socket = |name: &str| directory.path().join(name).display().to_string();
        let mut command = Command::new("qemu-system-arm");
        command
            .args(["-M", "mps2-an386", "-display", "none", "-serial", "tcp:127.0.0.1:0,server=on,wait=off"])
            .args(["-qmp", &format!("unix:{},server=on,wait=off", socket("monitor"))])
            .args(["-gdb", &format!("unix:{},server=on,wait=off", socket("debugger"))])
            .arg("-kernel")
            .arg(program);
        for (half, address) in uid.as_chunks::<8>().0.iter().zip([UID, UID + 8]) {
            let data = u64::from_le_bytes(*half);
            command.args(["-device", &format!("loader,addr={address:#x},data={data:#x},data-len=8")]);
        }
        let qemu = command.spawn().expect("qemu-system-arm is installed (Debian: qemu-system-arm)");
        let monitor = connect(&directory.path().join("monitor"));
        let mut machine = Self { qemu, monitor: BufReader::new(monitor), directory };
        machine.read_monitor();
        machine.tell("qmp_capabilities", json!({}));
        machine
    }

    /// The TCP port that the UART is reached at.
    pub fn port(&mut self) -> u16 {
        let devices = self.tell("query-chardev", json!({}));
        let serial = devices.as_array().unwrap().iter().find(|device| device["label"] == "serial0").unwrap();
        let name = serial["filename"].as_str().unwrap();
        let (_, address) = name.split_once("127.0.0.1:").unwrap();
        address.split(',').next().unwrap().parse().unwrap()
    }

    /// Presses the reset button.
    pub fn reset(&mut self) {
        self.tell("system_reset", json!({}));
    }

    /// Stops the machine, to be told where to stop next.
    pub fn debug(&self) -> Debugger {
        Debugger::attach(connect(&self.directory.path().join("debugger")))
    }

    /// What the memory holds.
    pub fn memory(&mut self, addresses: Range<u32>) -> Vec<u8> {
        let file = self.directory.path().join("memory");
        let size = addresses.end - addresses.start;
        self.tell("pmemsave", json!({ "val": addresses.start, "size": size, "filename": file }));
        fs::read(file).unwrap()
    }

    fn tell(&mut self, command: &str, arguments: Value) -> Value {
        let line = json!({ "execute": command, "arguments": arguments }).to_string();
        writeln!(self.monitor.get_mut(), "{line}").unwrap();
        loop {
            let mut answer = self.read_monitor();
            assert!(answer.get("error").is_none(), "{command}: {answer}");
            // Anything else is news of an event.
            if let Some(value) = answer.get_mut("return") {
                return value.take();
            }
        }
    }

    fn read_monitor(&mut self) -> Value {
        let mut line = String::new();
        self.monitor.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended by itself already; either way there is nothing left to do.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// The firmware's program, built with the key of these tests.
pub fn firmware() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| build(pre_write_key(), "firmware-of-tests"))
}

/// The firmware's program, built for size from the sources beside this crate with this key of its product.
pub fn build(key: &PreWriteKey, name: &str) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap();
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let source = directory.join(format!("{name}.rs"));
    let exported = ExportedKey {
        identifier: key.identifier().clone(),
        product: "3012".parse().unwrap(),
        key: Secret::new(key.expose().to_vec()),
    };
    fs::write(&source, &*rust_source(&exported)).unwrap();
    let target = directory.with_file_name("firmware");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--release"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../firmware/cortex-m4"))
        .env("CARGO_TARGET_DIR", &target)
        .env("TOUCHMARK_PRE_WRITE_KEY", &source)
        .status()
        .unwrap();
    assert!(status.success(), "the firmware builds");
    let program = directory.join(name);
    fs::copy(target.join("thumbv7em-none-eabi/release/cortex-m4"), &program).unwrap();
    program
}

fn connect(socket: &Path) -> UnixStream {
    let start = Instant::now();
    loop {
        match UnixStream::connect(socket) {
            Ok(stream) => {
                stream.set_read_timeout(Some(START_TIME_MAX)).unwrap();
                return stream;
            }
            Err(error) => assert!(start.elapsed() < START_TIME_MAX, "{}: {error}", socket.display()),
        }
        thread::sleep(Duration::from_millis(5));
    }
}
