//! Calls: device and center. A service of its own, described in `call.wsdl`.

use super::{Fault, Fields, Header, Message, Writer, writer};
use crate::call::{Call, CallAnswer, Command, Counter, Event, Outcome, Request, RequestResult};

/// The namespace of calls and their answers.
pub const NAMESPACE: &str = "urn:touchmark:call:1";

/// The one operation's SOAPAction, without the quotation marks of the HTTP header.
pub const SOAP_ACTION: &str = "urn:touchmark:call:1#Call";

/// The service description, with the address at which the service answers filled in.
pub fn wsdl(address: &str) -> String {
    include_str!("call.wsdl").replace("ADDRESS", &writer::escaped(address))
}

impl Message for Call {
    const ELEMENT: &'static str = "Call";
    const COMMAND: &'static str = "call command";
    const NAMESPACE: &'static str = NAMESPACE;

    fn write_body(&self, body: &mut Writer) {
        body.element("DeviceNumber", &self.device_number);
        body.element("Boot", self.boot);
        body.element("Sequence", self.sequence);
        self.previous.iter().for_each(|nonce| body.element("Previous", nonce));
        self.on_behalf_of.iter().for_each(|device| body.element("OnBehalfOf", device));
        match &self.event {
            Event::Counter { counters } => body.nest("CounterNotification", |element| {
                counters.iter().for_each(|counter| write_counter(element, "Counter", counter));
            }),
            Event::Service { fault_code } => {
                body.nest("ServiceCall", |element| element.element("FaultCode", fault_code));
            }
            Event::Supply { consumable, remaining_percent } => body.nest("SupplyCall", |element| {
                element.element("Consumable", consumable);
                element.element("RemainingPercent", remaining_percent);
            }),
            Event::Alarm { alarm } => body.nest("AlarmCall", |element| element.element("Alarm", alarm)),
            Event::Manual { note } => body.nest("ManualCall", |element| element.element("Note", note)),
            Event::Manage { devices } => body.nest("ManageDevices", |element| {
                devices.iter().for_each(|device| element.element("DeviceNumber", device));
            }),
            Event::Poll => body.nest("Poll", |_| {}),
        }
        for RequestResult { request, outcome } in &self.results {
            body.nest("RequestResult", |element| {
                element.element("Request", request);
                match outcome {
                    Outcome::Done => element.nest("Done", |_| {}),
                    Outcome::Refused { reason } => element.element("Refused", reason),
                    Outcome::Failed { reason } => element.element("Failed", reason),
                }
            });
        }
        if let Some(firmware) = &self.firmware {
            body.element("Firmware", firmware);
        }
    }

    fn read(_: &mut Header<'_>, body: &mut Fields<'_>) -> Result<Self, Fault> {
        Ok(Self {
            device_number: body.value("DeviceNumber")?,
            boot: body.value("Boot")?,
            sequence: body.value("Sequence")?,
            previous: body.optional_value("Previous")?,
            on_behalf_of: body.optional_value("OnBehalfOf")?,
            event: read_event(body)?,
            results: all(body, "RequestResult", read_result)?,
            firmware: body.optional_value("Firmware")?,
        })
    }
}

impl Message for CallAnswer {
    const ELEMENT: &'static str = "CallAnswer";
    const COMMAND: &'static str = "call answer command";
    const NAMESPACE: &'static str = NAMESPACE;

    fn write_body(&self, body: &mut Writer) {
        body.element("Call", self.call);
        body.element("Received", self.received);
        self.nonce.iter().for_each(|nonce| body.element("Nonce", nonce));
        for Request { request, command } in &self.requests {
            body.nest("Request", |element| {
                element.element("Number", request);
                match command {
                    Command::ReadCounters => element.nest("ReadCounters", |_| {}),
                    Command::SetInitialValue { name, value } => {
                        write_counter(
                            element,
                            "SetInitialValue",
                            &Counter { name: name.clone(), value: *value },
                        );
                    }
                    Command::RenewCertificate => element.nest("RenewCertificate", |_| {}),
                    Command::FetchFirmware { package } => element.element("FetchFirmware", package),
                    Command::RollBackFirmware { package } => element.element("RollBackFirmware", package),
                }
            });
        }
    }

    fn read(_: &mut Header<'_>, body: &mut Fields<'_>) -> Result<Self, Fault> {
        Ok(Self {
            call: body.value("Call")?,
            received: body.value("Received")?,
            nonce: body.optional_value("Nonce")?,
            requests: all(body, "Request", read_request)?,
        })
    }
}

fn write_counter(body: &mut Writer, name: &str, counter: &Counter) {
    body.nest(name, |element| {
        element.element("Name", &counter.name);
        element.element("Value", counter.value);
    });
}

fn read_counter(element: &mut Fields<'_>) -> Result<Counter, Fault> {
    Ok(Counter { name: element.value("Name")?, value: element.value("Value")? })
}

fn read_event(body: &mut Fields<'_>) -> Result<Event, Fault> {
    if let Some(counters) =
        within(body, "CounterNotification", |inside| all(inside, "Counter", read_counter))?
    {
        return Ok(Event::Counter { counters });
    }
    if let Some(fault_code) = within(body, "ServiceCall", |inside| inside.value("FaultCode"))? {
        return Ok(Event::Service { fault_code });
    }
    let supply = within(body, "SupplyCall", |inside| {
        let consumable = inside.value("Consumable")?;
        Ok(Event::Supply { consumable, remaining_percent: inside.value("RemainingPercent")? })
    })?;
    if let Some(supply) = supply {
        return Ok(supply);
    }
    if let Some(alarm) = within(body, "AlarmCall", |inside| inside.value("Alarm"))? {
        return Ok(Event::Alarm { alarm });
    }
    if let Some(note) = within(body, "ManualCall", |inside| inside.value("Note"))? {
        return Ok(Event::Manual { note });
    }
    if let Some(devices) = within(body, "ManageDevices", |inside| inside.values("DeviceNumber"))? {
        return Ok(Event::Manage { devices });
    }
    Fields::of(body.required("Poll")?)?.end()?;
    Ok(Event::Poll)
}

fn read_result(element: &mut Fields<'_>) -> Result<RequestResult, Fault> {
    let request = element.value("Request")?;
    let outcome = if let Some(reason) = element.optional_value("Refused")? {
        Outcome::Refused { reason }
    } else if let Some(reason) = element.optional_value("Failed")? {
        Outcome::Failed { reason }
    } else {
        Fields::of(element.required("Done")?)?.end()?;
        Outcome::Done
    };
    Ok(RequestResult { request, outcome })
}

fn read_request(element: &mut Fields<'_>) -> Result<Request, Fault> {
    let request = element.value("Number")?;
    let command = if within(element, "ReadCounters", |_| Ok(()))?.is_some() {
        Command::ReadCounters
    } else if let Some(Counter { name, value }) = within(element, "SetInitialValue", read_counter)? {
        Command::SetInitialValue { name, value }
    } else if within(element, "RenewCertificate", |_| Ok(()))?.is_some() {
        Command::RenewCertificate
    } else if let Some(package) = element.optional_value("FetchFirmware")? {
        Command::FetchFirmware { package }
    } else {
        Command::RollBackFirmware { package: element.value("RollBackFirmware")? }
    };
    Ok(Request { request, command })
}

/// What is in the next element where it has this name, and nothing else.
fn within<T>(
    body: &mut Fields<'_>,
    name: &str,
    read: impl FnOnce(&mut Fields<'_>) -> Result<T, Fault>,
) -> Result<Option<T>, Fault> {
    let Some(node) = body.optional(name)? else { return Ok(None) };
    let mut inside = Fields::of(node)?;
    let value = read(&mut inside)?;
    inside.end()?;
    Ok(Some(value))
}

/// What is in each of the next elements, as many as have this name.
fn all<T>(
    body: &mut Fields<'_>,
    name: &str,
    read: impl Fn(&mut Fields<'_>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    std::iter::from_fn(|| within(body, name, &read).transpose()).collect()
}
