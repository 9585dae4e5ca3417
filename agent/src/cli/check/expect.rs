//! What `--expect` may say: `KEY=VALUE,…` to an [`Expectation`] and back. Called by the verbs `check` and `facts`.

use crate::nearest::nearest;
use bedplate_protocol::message::Expectation;
use std::str::FromStr;

/// The keys, in the order in which they are written.
const KEYS: [&str; 8] = [
    "gpus",
    "model",
    "driver",
    "memory-gib",
    "mig",
    "persistence",
    "ecc",
    "link-width",
];

/// For `--help`: each key, and what it is compared with.
pub(super) const HELP: &str = "What must be there, for example gpus=8,model=H100

Each key that is given is compared; a difference is a problem.
  gpus=8            how many GPUs NVML lists
  model=H100        a part of NVML's product name, in any case
  driver=580        the driver's version, or the beginning of it up to a dot
  memory-gib=79     the least memory of each GPU, in whole GiB as NVML counts it
  mig=on|off        MIG mode of each GPU
  persistence=on|off, ecc=on|off
  link-width=16     the fewest PCIe lanes that device and slot support together
`bedplate-agent facts --expectation` prints all of them for this host.";

/// Why a text is no expectation.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadExpectation {
    #[error("{0:?} is not KEY=VALUE; write it like gpus=8,model=H100")]
    NoValue(String),
    #[error("{key:?} is not known; {}", near.map_or_else(|| format!("the keys are {}", KEYS.join(", ")), |near| format!("do you mean {near}?")))]
    UnknownKey { key: String, near: Option<&'static str> },
    #[error("{0} is given twice; keep one")]
    Twice(&'static str),
    #[error("{key}={value:?} is not a whole number; write it like {key}=8")]
    NotANumber { key: &'static str, value: String },
    #[error("{key}={value:?} is neither on nor off; write {key}=on or {key}=off")]
    NotASwitch { key: &'static str, value: String },
    #[error("{0} is empty; write a value behind the =")]
    Empty(&'static str),
}

/// Why a text is no expectation: everything that is wrong with it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub(super) struct BadExpectations(Vec<BadExpectation>);

/// Reads `gpus=8,model=H100`.
pub(super) fn parse(text: &str) -> Result<Expectation, BadExpectations> {
    let mut expect = Expectation::default();
    let mut given: Vec<&'static str> = Vec::new();
    let mut wrong = Vec::new();
    for part in text.split(',') {
        wrong.extend(take(part, &mut given, &mut expect).err());
    }
    if wrong.is_empty() {
        Ok(expect)
    } else {
        Err(BadExpectations(wrong))
    }
}

/// One `KEY=VALUE`.
fn take(part: &str, given: &mut Vec<&'static str>, expect: &mut Expectation) -> Result<(), BadExpectation> {
    let (name, value) = part
        .split_once('=')
        .ok_or_else(|| BadExpectation::NoValue(part.to_owned()))?;
    let (name, value) = (name.trim(), value.trim());
    let key = *KEYS
        .iter()
        .find(|key| **key == name)
        .ok_or_else(|| BadExpectation::UnknownKey {
            key: name.to_owned(),
            near: nearest(name, KEYS),
        })?;
    if given.contains(&key) {
        return Err(BadExpectation::Twice(key));
    }
    given.push(key);
    match key {
        "gpus" => expect.gpus = Some(number(key, value)?),
        "memory-gib" => expect.memory_gib = Some(number(key, value)?),
        "link-width" => expect.link_width = Some(number(key, value)?),
        "mig" => expect.mig = Some(switch(key, value)?),
        "persistence" => expect.persistence = Some(switch(key, value)?),
        "ecc" => expect.ecc = Some(switch(key, value)?),
        "driver" => expect.driver = Some(word(key, value)?),
        _ => expect.model = Some(word(key, value)?),
    }
    Ok(())
}

/// The same, the other way round.
pub(in crate::cli) fn written(expect: &Expectation) -> String {
    let number = |value: Option<u32>| value.map(|value| value.to_string());
    let switch = |value: Option<bool>| value.map(|on| if on { "on" } else { "off" }.to_owned());
    let values = [
        number(expect.gpus),
        expect.model.clone(),
        expect.driver.clone(),
        number(expect.memory_gib),
        switch(expect.mig),
        switch(expect.persistence),
        switch(expect.ecc),
        number(expect.link_width),
    ];
    let given = KEYS
        .iter()
        .zip(values)
        .filter_map(|(key, value)| Some(format!("{key}={}", value?)));
    given.collect::<Vec<_>>().join(",")
}

fn number(key: &'static str, value: &str) -> Result<u32, BadExpectation> {
    u32::from_str(value).map_err(|_| BadExpectation::NotANumber {
        key,
        value: value.to_owned(),
    })
}

fn switch(key: &'static str, value: &str) -> Result<bool, BadExpectation> {
    match value {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(BadExpectation::NotASwitch {
            key,
            value: value.to_owned(),
        }),
    }
}

fn word(key: &'static str, value: &str) -> Result<String, BadExpectation> {
    if value.is_empty() {
        Err(BadExpectation::Empty(key))
    } else {
        Ok(value.to_owned())
    }
}
