//! A device that calls home: what it sends, what it does with answers, and what a power cut leaves of it.

use device::calling::{
    CALLING_BYTES_MAX, Calling, CallingError, Counter, Event, Outcome, REQUESTS_MAX, Report, RequestResult,
    Task, Text, Work,
};
use device::nvram;
use device::sim::{Cuts, sweep};
use identity::DeviceNumber;

use crate::{TestBoard, board};

fn number() -> DeviceNumber {
    "A123-654321".parse().unwrap()
}

/// A device that is on, and has counters.
fn on() -> Calling {
    let mut calling = Calling::default();
    calling.boot().unwrap();
    calling.count("total", 1_200).unwrap();
    calling.count("color-a4", 7).unwrap();
    calling
}

fn made(calling: &mut Calling, event: Event<'_>) -> String {
    calling.make(&number(), event).unwrap();
    String::from_utf8(calling.unanswered().unwrap().to_vec()).unwrap()
}

fn take(calling: &mut Calling, requests: &str) {
    let answer = format!(
        r#"{{"call":12,"received":1767225600,"nonce":"AAECAwQFBgcICQoLDA0ODw==","more":[1,{{"a":true}}],"requests":[{requests}]}}"#
    );
    calling.take(answer.as_bytes()).unwrap();
}

#[test]
fn calls_are_numbered_and_written_as_the_center_takes_them() {
    let mut calling = on();
    let first = made(&mut calling, Event::Counter);
    assert_eq!(
        first,
        r#"{"deviceNumber":"A123-654321","boot":1,"sequence":1,"previous":"AAAAAAAAAAAAAAAAAAAAAA==","event":{"call":"counter","counters":[{"name":"color-a4","value":7},{"name":"total","value":1200}]}}"#
    );
    take(&mut calling, "");
    let texts = [
        (Event::Service { fault_code: "E-13 \"hot\"" }, r#"{"call":"service","faultCode":"E-13 \"hot\""}"#),
        (
            Event::Supply { consumable: "toner", remaining_percent: 5 },
            r#"{"call":"supply","consumable":"toner","remainingPercent":5}"#,
        ),
        (Event::Alarm { alarm: "Tür offen" }, r#"{"call":"alarm","alarm":"Tür offen"}"#),
        (Event::Manual { note: "please come" }, r#"{"call":"manual","note":"please come"}"#),
        (
            Event::Manage { devices: &["3013-000001".parse().unwrap()] },
            r#"{"call":"manage","devices":["3013-000001"]}"#,
        ),
        (Event::Poll, r#"{"call":"poll"}"#),
    ];
    for (sequence, (event, text)) in (2..).zip(texts) {
        let call = made(&mut calling, event);
        let start = format!(
            r#"{{"deviceNumber":"A123-654321","boot":1,"sequence":{sequence},"previous":"AAECAwQFBgcICQoLDA0ODw==","event":"#
        );
        assert_eq!(call, format!("{start}{text}}}"));
        take(&mut calling, "");
    }
    calling.boot().unwrap();
    assert!(made(&mut calling, Event::Poll).contains(r#""boot":2,"sequence":1,"#));
}

#[test]
fn a_request_is_followed_once_and_its_result_goes_along_until_it_has_arrived() {
    let mut calling = on();
    made(&mut calling, Event::Poll);
    let asked = r#"{"request":3,"command":{"command":"setInitialValue","name":"total","value":9}},
        {"request":4,"command":{"command":"readCounters"}},
        {"request":5,"command":{"command":"makeCoffee","strength":[1,2]}},
        {"request":6,"command":{"command":"setInitialValue","name":"total","value":9007199254740992}}"#;
    take(&mut calling, asked);
    assert_eq!(calling.owed(), Some(Event::Counter));
    calling.count("total", 10).unwrap();
    let call = made(&mut calling, Event::Counter);
    assert!(call.contains(r#"{"name":"total","value":10}"#), "{call}");
    let results = r#""results":[{"request":3,"outcome":{"outcome":"done"}},{"request":4,"outcome":{"outcome":"done"}},{"request":5,"outcome":{"outcome":"refused","reason":"this device cannot do that"}},{"request":6,"outcome":{"outcome":"refused","reason":"this device has no room for that counter"}}]"#;
    assert!(call.contains(results), "{call}");
    take(&mut calling, asked);
    assert_eq!(calling.counters()[1].value, 10, "it is not set again");
    assert_eq!(calling.owed(), None);
}

#[test]
fn what_is_said_of_a_managed_device_is_kept_apart_from_what_the_device_says_of_itself() {
    let mut calling = on();
    made(&mut calling, Event::Poll);
    take(&mut calling, r#"{"request":3,"command":{"command":"readCounters"}}"#);
    let about = "3013-000001".parse().unwrap();
    let counters = [Counter { name: Text::new("total").unwrap(), value: 70 }];
    let results = [RequestResult { request: 2, outcome: Outcome::Done }];
    let report = Report { about: &about, counters: &counters, event: Event::Counter, results: &results };
    calling.make_report(&number(), &report).unwrap();
    let call = std::str::from_utf8(calling.unanswered().unwrap()).unwrap();
    assert_eq!(
        call,
        r#"{"deviceNumber":"A123-654321","boot":1,"sequence":2,"previous":"AAECAwQFBgcICQoLDA0ODw==","onBehalfOf":"3013-000001","event":{"call":"counter","counters":[{"name":"total","value":70}]},"results":[{"request":2,"outcome":{"outcome":"done"}}]}"#
    );
    // What the center asks of the managed device is none of this one's business, and what it owes itself stays owed.
    take(&mut calling, r#"{"request":9,"command":{"command":"setInitialValue","name":"total","value":1}}"#);
    assert_eq!(calling.counters()[1].value, 1_200);
    assert_eq!(calling.owed(), Some(Event::Counter));
    let own = made(&mut calling, Event::Counter);
    assert!(own.contains(r#""results":[{"request":3,"outcome":{"outcome":"done"}}]"#), "{own}");
    assert!(own.contains(r#""sequence":3,"#) && !own.contains("onBehalfOf"), "{own}");
}

#[test]
fn what_takes_time_is_a_task_until_it_is_finished() {
    let mut calling = on();
    made(&mut calling, Event::Poll);
    take(
        &mut calling,
        r#"{"request":1,"command":{"command":"renewCertificate"}},{"request":2,"command":{"command":"fetchFirmware","package":"core \"2\""}}"#,
    );
    assert_eq!(calling.task(), Some(&Task { request: 1, work: Work::RenewCertificate }));
    assert_eq!(calling.owed(), None, "there is nothing to say yet");
    calling.finish(9, Outcome::Done);
    calling.finish(1, Outcome::Done);
    let Some(Task { request: 2, work: Work::FetchFirmware { package } }) = calling.task() else {
        panic!("{:?}", calling.task())
    };
    assert_eq!(&**package, "core \"2\"");
    assert_eq!(calling.owed(), Some(Event::Poll));
    calling.finish(2, Outcome::refused(&"long ".repeat(100)));
    assert_eq!(calling.task(), None);
    let call = made(&mut calling, Event::Poll);
    assert!(call.contains(r#"{"request":1,"outcome":{"outcome":"done"}},{"request":2,"#), "{call}");
    take(&mut calling, "");
    assert_eq!(calling.owed(), None);
}

#[test]
fn a_call_without_answer_stays_as_it_is() {
    let mut calling = on();
    let call = made(&mut calling, Event::Counter);
    calling.boot().unwrap();
    calling.count("total", 9_999).unwrap();
    for answer in ["", "{", "[]", r#"{"requests":[{"request":"one"}]}"#] {
        assert_eq!(calling.take(answer.as_bytes()), Err(CallingError::Garbled));
    }
    assert_eq!(calling.unanswered().unwrap(), call.as_bytes());
    calling.give_up();
    assert_eq!(calling.unanswered(), None);
}

#[test]
fn what_there_is_no_room_for_is_refused_and_changes_nothing() {
    let mut calling = on();
    assert_eq!(calling.count(&"n".repeat(33), 1), Err(CallingError::NoRoom));
    assert_eq!(calling.count("total", 1 << 53), Err(CallingError::NoRoom));
    for counter in 2..16 {
        calling.count(&format!("{counter}"), 1).unwrap();
    }
    assert_eq!(calling.count("one-more", 1), Err(CallingError::NoRoom));
    let before = calling.clone();
    let note = "no".repeat(1_000);
    assert_eq!(calling.make(&number(), Event::Manual { note: &note }), Err(CallingError::NoRoom));
    assert!(calling == before);
}

#[test]
fn what_is_remembered_reads_back_and_what_others_wrote_does_not() {
    let mut calling = on();
    let mut room = [0; CALLING_BYTES_MAX];
    made(&mut calling, Event::Counter);
    take(
        &mut calling,
        r#"{"request":1,"command":{"command":"renewCertificate"}},{"request":2,"command":{"command":"none"}}"#,
    );
    made(&mut calling, Event::Poll);
    let bytes = calling.to_bytes(&mut room).unwrap();
    assert!(Calling::from_bytes(bytes).unwrap() == calling);
    assert!(Calling::from_bytes(&[]).unwrap() == Calling::default());
    assert!(Calling::from_bytes(br#"{"boot":1}"#).err() == Some(CallingError::Foreign));
    assert!(Calling::from_bytes(&bytes[..bytes.len() - 1]).err() == Some(CallingError::Foreign));
}

#[test]
fn a_full_answer_is_taken_and_a_longer_one_is_none() {
    let requests = |count| {
        let request =
            |number| format!(r#"{{"request":{number},"command":{{"command":"renewCertificate"}}}}"#);
        (1..=count).map(request).collect::<Vec<_>>().join(",")
    };
    let mut calling = on();
    made(&mut calling, Event::Poll);
    take(&mut calling, &requests(REQUESTS_MAX));
    for number in 1..=REQUESTS_MAX as u64 {
        calling.finish(number, Outcome::Done);
    }
    assert_eq!(calling.task(), None);
    let answer = format!(r#"{{"requests":[{}]}}"#, requests(REQUESTS_MAX + 1));
    assert_eq!(calling.take(answer.as_bytes()), Err(CallingError::Garbled));
}

/// Tasks that wait, because the device finds no authority, leave no less room for what comes of them.
#[test]
fn a_task_can_always_be_finished_whatever_else_is_asked() {
    let mut calling = on();
    made(&mut calling, Event::Poll);
    take(&mut calling, r#"{"request":1,"command":{"command":"renewCertificate"}}"#);
    made(&mut calling, Event::Poll);
    let more = |from: usize| {
        let more = (from..from + REQUESTS_MAX)
            .map(|number| format!(r#"{{"request":{number},"command":{{"command":"readCounters"}}}}"#));
        more.collect::<Vec<_>>().join(",")
    };
    take(&mut calling, &more(2));
    calling.finish(1, Outcome::Done);
    assert_eq!(calling.task(), None);
    let call = made(&mut calling, Event::Poll);
    assert_eq!(call.matches(r#""request":"#).count(), REQUESTS_MAX, "{call}");
    take(&mut calling, &more(9));
    let call = made(&mut calling, Event::Poll);
    assert!(
        call.contains(r#"{"request":9,"outcome"#),
        "what had no room is followed when asked again: {call}"
    );
}

/// What the device remembers, and that nothing else in its NVRAM has changed.
fn remembered(board: &mut TestBoard) -> Vec<u8> {
    let mut buffer = nvram::NvramBuffer::new();
    assert_eq!(nvram::read(board, &mut buffer).unwrap().device_number, Some(number()));
    let mut room = [0; CALLING_BYTES_MAX];
    Calling::of(board).unwrap().to_bytes(&mut room).unwrap().to_vec()
}

#[test]
fn at_every_cut_the_device_remembers_all_of_a_call_or_all_of_before() {
    let mut start = board();
    nvram::write(&mut start, &nvram::Nvram { device_number: Some(number()), ..Default::default() }).unwrap();
    on().keep(&mut start).unwrap();
    let call = |board: &mut TestBoard| {
        let Ok(mut calling) = Calling::of(board) else { return false };
        if calling.unanswered().is_none() {
            calling.make(&number(), Event::Counter).unwrap();
        }
        calling.keep(board).is_ok()
    };
    assert!(sweep(&start, Cuts::Double, call, remembered).unwrap() > 10_000);
    let mut called = start.clone();
    assert!(call(&mut called));
    let take = |board: &mut TestBoard| {
        let Ok(mut calling) = Calling::of(board) else { return false };
        if calling.unanswered().is_some() {
            self::take(&mut calling, r#"{"request":1,"command":{"command":"renewCertificate"}}"#);
        }
        calling.keep(board).is_ok()
    };
    assert!(sweep(&called, Cuts::Double, take, remembered).unwrap() > 1_000);
}

// The name of a call is the beginning of its SHA-256, as the center takes it.
#[test]
fn a_call_that_is_put_off_is_named_by_the_next_one() {
    let mut calling = on();
    calling.put_off();
    let first = made(&mut calling, Event::Poll);
    calling.put_off();
    assert_eq!(calling.unanswered(), None);
    let second = made(&mut calling, Event::Poll);
    assert!(second.contains(&format!(r#""previous":"{FIRST_POLL_NAME}""#)), "{first}: {second}");
    calling.put_off();

    // The answer to the first names a nonce that is not the last any more; what it asks is done.
    let ask = r#"{"request":1,"command":{"command":"setInitialValue","name":"total","value":9}}"#;
    let answer =
        format!(r#"{{"call":1,"received":1,"nonce":"AAECAwQFBgcICQoLDA0ODw==","requests":[{ask}]}}"#);
    let before = calling.clone();
    calling.take_late(first.as_bytes(), answer.as_bytes()).unwrap();
    let mut third = calling.clone();
    let call = made(&mut third, Event::Poll);
    assert!(!call.contains("AAECAwQFBgcICQoLDA0ODw=="), "{call}");
    assert!(call.contains(r#""results":[{"request":1,"outcome":{"outcome":"done"}}]"#), "{call}");
    assert!(before != calling);
    // Once more changes nothing.
    let once = calling.clone();
    calling.take_late(first.as_bytes(), answer.as_bytes()).unwrap();
    assert!(once == calling);

    // The answer to the last call is the one that the next call names.
    calling.take_late(second.as_bytes(), answer.as_bytes()).unwrap();
    assert!(made(&mut calling, Event::Poll).contains(r#""previous":"AAECAwQFBgcICQoLDA0ODw==""#));
}

/// Of `{"deviceNumber":"A123-654321","boot":1,"sequence":1,"previous":"AAAAAAAAAAAAAAAAAAAAAA==","event":{"call":"poll"}}`.
const FIRST_POLL_NAME: &str = "0iM7h2mQw6lC5E1Qxbz16w==";
