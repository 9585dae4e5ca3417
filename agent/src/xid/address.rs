//! PCI addresses as NVIDIA's driver writes them, brought to the form that sysfs has. Pure. Called by [`super::line`] and
//! for the addresses of NVML's events.

/// `0000:17:00.0` of `PCI:0000:17:00`, `0000:17:00`, `00000000:17:00.0`: lower case, four digits of domain unless it needs
/// more (`%04x:%02x:%02x.%d`, `pci_setup_device` of Linux), function 0 where none is written. Nothing of anything else.
pub(crate) fn normalise(text: &str) -> Option<String> {
    let text = text.strip_prefix("PCI:").unwrap_or(text);
    let (slot, function) = match text.split_once('.') {
        Some((slot, function)) => (slot, digits(function, 1)?),
        None => (text, 0),
    };
    let mut parts = slot.split(':');
    let (domain, bus, device) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let (domain, bus, device) = (digits(domain, 8)?, digits(bus, 2)?, digits(device, 2)?);
    (device < 32 && function < 8).then(|| format!("{domain:04x}:{bus:02x}:{device:02x}.{function}"))
}

/// A hexadecimal number of at most `most` digits.
fn digits(text: &str, most: usize) -> Option<u32> {
    let right = !text.is_empty() && text.len() <= most && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    right.then(|| u32::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_driver_and_of_nvml_is_one_address() {
        for form in [
            "PCI:0000:C1:00",
            "0000:c1:00",
            "PCI:00000000:C1:00",
            "00000000:C1:00.0",
            "0000:c1:00.0",
        ] {
            assert_eq!(normalise(form).as_deref(), Some("0000:c1:00.0"), "{form}");
        }
        assert_eq!(normalise("PCI:0018:01:00").as_deref(), Some("0018:01:00.0"));
        assert_eq!(normalise("10000:e1:1e.1").as_deref(), Some("10000:e1:1e.1"));
    }

    #[test]
    fn what_is_no_address_is_none() {
        for text in [
            "",
            "PCI:",
            "43",
            "17:00.0",
            "0000:17:00:00",
            "0000:17:20.0",
            "0000:17:00.8",
            "0000:17:0g",
            "000000000:17:00",
        ] {
            assert_eq!(normalise(text), None, "{text}");
        }
    }
}
