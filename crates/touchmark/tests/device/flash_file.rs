//! What an emulated device remembers without power.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use device::sim::Tear;
use touchmark::emulator::{EmulatedDevice, FlashFileError};

use super::writer::{NUMBER, OpensslPack, Writer, blank};

/// Writes the pack into the device of the flash file, as one station would.
async fn write_once(path: &std::path::Path, pack: &OpensslPack) {
    let device = std::sync::Mutex::new(EmulatedDevice::open(path, 1).unwrap());
    let (peer, port) = tokio::io::duplex(1_024);
    let mut writer = Writer(peer);
    let write = async {
        writer.make(pack.pack()).await.unwrap();
        drop(writer);
    };
    let (served, ()) = tokio::join!(touchmark::emulator::serve_stream(&device, port), write);
    served.unwrap();
}

#[tokio::test]
async fn a_device_remembers_what_it_answered() {
    let directory = tempfile::tempdir().unwrap();
    let pack = OpensslPack::make(directory.path());
    let path = directory.path().join("3012-123456.flash");
    let (product, uid) = ("3012".parse().unwrap(), "00112233".parse().unwrap());
    EmulatedDevice::create(&path, product, uid, 1).unwrap();
    write_once(&path, &pack).await;

    let mut device = EmulatedDevice::open(&path, 2).unwrap();
    assert_eq!(device.hardware_uid().to_string(), "00112233");
    let held = device.pack().unwrap().unwrap();
    assert_eq!(held.device_number, NUMBER.parse().unwrap());
    assert_eq!(held.client_certificate, pack.client);
    assert_eq!(*held.secret_key, pack.secret_key);
    assert_eq!(device.confirmed_number().unwrap(), Some(held.device_number));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "it holds a secret");
    assert!(!path.with_extension("flash.new").exists());
}

#[test]
fn a_saved_device_is_as_a_power_cut_left_it() {
    let directory = tempfile::tempdir().unwrap();
    let pack = OpensslPack::make(directory.path());
    let path = directory.path().join("cut.flash");
    let mut device = blank();
    let session = device.identify().unwrap().unwrap().session;
    let transmission = identity::line::Transmission { session, pack: pack.pack() };
    device.cut_power_after(100, Tear::Clean);
    assert!(device.receive(&transmission).is_err());
    device.save_as(&path).unwrap();

    let mut device = EmulatedDevice::open(&path, 1).unwrap();
    assert!(device.pack().unwrap().is_none());
    let session = device.identify().unwrap().unwrap().session;
    let transmission = identity::line::Transmission { session, pack: pack.pack() };
    device.receive(&transmission).unwrap().unwrap();
    assert!(EmulatedDevice::open(&path, 1).unwrap().pack().unwrap().is_some());
}

#[test]
fn a_device_whose_memory_cannot_be_kept_is_silent_until_it_can() {
    let directory = tempfile::tempdir().unwrap();
    let pack = OpensslPack::make(directory.path());
    let place = directory.path().join("place");
    fs::create_dir(&place).unwrap();
    let path = place.join("device.flash");
    let (product, uid) = ("3012".parse().unwrap(), "00112233".parse().unwrap());
    let mut device = EmulatedDevice::create(&path, product, uid, 1).unwrap();
    let session = device.identify().unwrap().unwrap().session;
    let transmission = identity::line::Transmission { session, pack: pack.pack() };

    let elsewhere = directory.path().join("elsewhere");
    fs::rename(&place, &elsewhere).unwrap();
    assert!(device.receive(&transmission).is_err());
    assert!(device.receive(&transmission).is_err(), "the write is still not kept");
    fs::rename(&elsewhere, &place).unwrap();
    device.receive(&transmission).unwrap().unwrap();
    assert!(EmulatedDevice::open(&path, 1).unwrap().pack().unwrap().is_some());
}

#[test]
fn only_a_whole_flash_file_is_a_device() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("device.flash");
    blank().save_as(&path).unwrap();
    let whole = fs::read(&path).unwrap();
    assert!(EmulatedDevice::open(&path, 1).is_ok());

    let longer = [whole.as_slice(), b"!"].concat();
    let mut other_mark = whole.clone();
    other_mark[0] = b'T';
    let mut no_product = whole.clone();
    no_product[16] = b'?';
    let mut long_uid = whole.clone();
    long_uid[24] = 200;
    let cut = [0, 16, 47, whole.len() - 1].map(|length| whole[..length].to_vec());
    for wrong in [longer, other_mark, no_product, long_uid].into_iter().chain(cut) {
        fs::write(&path, &wrong).unwrap();
        assert!(matches!(EmulatedDevice::open(&path, 1), Err(FlashFileError::NotAFlashFile)));
    }
    let (product, uid) = ("3012".parse().unwrap(), "00112233".parse().unwrap());
    let again = EmulatedDevice::create(&path, product, uid, 1);
    assert!(matches!(again, Err(FlashFileError::Exists)), "no device is overwritten");
}
