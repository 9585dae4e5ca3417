//! The doors of the fuzz targets (agent/fuzz) to what reads input from outside: each is a property that holds of any input, and
//! panics where it does not. The same properties are unit tests with inputs of proptest's. Part of no agent.

/// One `read(2)` of `/dev/kmsg`.
pub fn kmsg_record(bytes: &[u8]) {
    crate::host::kmsg::property::holds(bytes);
}

/// A line of the kernel's log, in the driver's words or not.
pub fn xid_line(text: &str) {
    crate::xid::property::holds(text);
}

/// `/etc/bedplate/agent.yaml`.
pub fn configuration(text: &str) {
    crate::daemon::config_property::holds(text);
}

/// The kubelet's answer about pod resources, as protocol buffers.
pub fn pod_resources(bytes: &[u8]) {
    crate::pods::property::holds(bytes);
}

/// What a worker of NVML tells its parent: lines of JSON with whatever values the library gave.
pub fn nvml_values(bytes: &[u8]) {
    crate::gpu::property::holds(bytes);
}
