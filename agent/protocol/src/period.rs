//! A length of time as people write it in configurations: whole seconds, minutes or hours. Called by the agent, which reads its
//! own configuration, and by the installer, which says beforehand whether the agent will.

/// Seconds of `10s`, `5m`, `1h`; nothing of any other text.
pub fn seconds(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let unit = match &text[end..] {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return None,
    };
    text[..end].parse::<u64>().ok()?.checked_mul(unit)
}
