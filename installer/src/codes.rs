//! The codes of findings that a run, `status` and `rehearse` make themselves, and of those that an agent hands back while it
//! carries out a plan, each with its weight and what it says. Data; `docs/findings.md` is made from it, and a test looks that no
//! code in the sources is left out. Codes of cluster files and of hosts' checks stand with those rooms.

use bedplate_protocol::Severity::{self, Error, Info, Warning};

/// A code, its weight, what it says.
pub type Code = (&'static str, Severity, &'static str);

/// `up`, `preflight` and `rehearse`.
pub const OF_RUNS: &[Code] = &[
    (
        "agent-binary",
        Error,
        "The agent's program is missing or cannot run on hosts.",
    ),
    (
        "artifact-directory",
        Error,
        "The artifact directory or its index cannot be read.",
    ),
    (
        "artifact-hash",
        Error,
        "A file of the artifact directory is not the one that its index names.",
    ),
    (
        "artifact-unknown",
        Error,
        "A host asks for an artifact that the directory does not have.",
    ),
    (
        "kubeconfig-foreign",
        Error,
        "`./kubeconfig` is of another cluster, so `up` does not begin.",
    ),
    (
        "kubeconfig-replaced",
        Info,
        "`./kubeconfig` was of an earlier cluster of this name and address; it is kept beside.",
    ),
    (
        "host-unreachable",
        Error,
        "A host cannot be reached over SSH, or its agent does not answer.",
    ),
    (
        "no-control-plane",
        Error,
        "The control-plane node was left out, so there is nothing to join.",
    ),
    (
        "no-plan",
        Error,
        "No plan can be made of what the artifact directory has.",
    ),
    ("no-threads", Error, "This machine refuses threads."),
    ("run-id", Error, "This machine's clock gives no usable run id."),
    (
        "run-cancelled",
        Error,
        "Somebody stopped a host's run between two steps.",
    ),
    ("cluster", Error, "The cluster's API did not do what the run asked for."),
    (
        "field-conflict",
        Warning,
        "Somebody else owns a field of an object that bedplate applies; it is left as it is.",
    ),
    (
        "agent-not-enrolled",
        Error,
        "A node's agent could not be given its identity.",
    ),
    ("gate-agent-reports", Error, "An agent has not written its conditions."),
    (
        "gate-gpu-allocatable",
        Error,
        "A node does not offer its GPUs as often as it should.",
    ),
    ("gate-gpu-time-slicing", Error, "Pods were not seen to share one GPU."),
    (
        "gate-pod-network",
        Error,
        "A pod does not reach another one on another node.",
    ),
    (
        "rehearsal",
        Error,
        "The machines of a rehearsal could not be made or removed.",
    ),
    (
        "rehearsal-kept",
        Error,
        "Machines of this name were kept by an earlier rehearsal.",
    ),
    ("rehearsal-not-kept", Error, "There are no kept machines to look at."),
];

/// `status`; a condition of the agent that is not `False` is a finding too, by the condition's name.
pub const OF_STATUS: &[Code] = &[
    ("kubeconfig-unreadable", Error, "The kubeconfig cannot be read."),
    ("kubeconfig-unusable", Error, "The file is no kubeconfig."),
    (
        "api-unreachable",
        Error,
        "Nothing answers where the kubeconfig says that the API server is.",
    ),
    (
        "api-unauthorized",
        Error,
        "The API server does not know the kubeconfig's user (401).",
    ),
    (
        "api-forbidden",
        Error,
        "The kubeconfig's user may not read nodes (403).",
    ),
    (
        "api-certificate",
        Error,
        "The API server's certificate cannot be verified with the kubeconfig's authority.",
    ),
    ("api-not-kubernetes", Error, "What answers is no API server."),
    ("api-refused", Error, "The API server answers with another error."),
    (
        "nothing-judged",
        Error,
        "There is no node that has an agent or shows a GPU.",
    ),
    ("agent-absent", Error, "A node shows a GPU, and no agent looks at it."),
    (
        "agent-silent",
        Error,
        "A node's agent has not written for twice its heartbeat.",
    ),
    (
        "gpu-annotation",
        Warning,
        "What an agent says of single GPUs is not there or cannot be read.",
    ),
    ("node-not-ready", Error, "kubelet does not report a node as Ready."),
    ("node-cordoned", Warning, "No new pod is scheduled to a node."),
    ("node-tainted", Warning, "A taint of bedplate keeps pods from a node."),
];

/// What an agent hands back, as a step that failed or a request that it refused.
pub const OF_PLANS: &[Code] = &[
    (
        "not-root",
        Error,
        "The agent is not root and was asked to change something.",
    ),
    (
        "no-kubeconfig",
        Error,
        "The control-plane host has no administrator's kubeconfig.",
    ),
    ("artifact-not-stored", Error, "The agent could not store what was sent."),
    (
        "artifact-content",
        Error,
        "What was unpacked is not what the index names.",
    ),
    ("values-not-kept", Error, "The agent could not keep a plan's values."),
    ("own-file", Error, "The agent cannot read its own program."),
    (
        "plan-protocol",
        Error,
        "The plan is written in a protocol that this agent does not read.",
    ),
    ("plan-epoch", Error, "A newer run has been here."),
    (
        "plan-step",
        Error,
        "The plan has a step that this agent cannot carry out.",
    ),
    (
        "plan-step-kind",
        Error,
        "The plan has a kind of step that this agent does not know.",
    ),
    (
        "plan-artifact",
        Error,
        "The plan needs an artifact that the host does not have.",
    ),
    ("plan-value", Error, "The plan needs a value that was not sent."),
    ("plan-run", Error, "Another plan has the same run id."),
    ("run-active", Error, "Another run is under way on the host."),
    ("run-died", Error, "A run ended without saying how."),
    ("run-unknown", Error, "The host knows no run of this id."),
    (
        "step-not-held",
        Error,
        "A step was carried out, and what it makes does not hold.",
    ),
    ("step-file", Error, "A file could not be read or written."),
    ("step-command", Error, "A command failed."),
    ("step-timeout", Error, "A step was not through in time."),
    ("step-value", Error, "A step's value is missing."),
    ("step-artifact", Error, "A step's artifact is missing."),
    (
        "not-a-directory",
        Error,
        "Something else lies where a directory is to be.",
    ),
    (
        "program-is-a-directory",
        Error,
        "A directory lies where a program is to be.",
    ),
    (
        "link-taken",
        Error,
        "Something of somebody else's has the name of a link.",
    ),
    ("kubeadm-phase", Error, "A phase of kubeadm left something undone."),
    (
        "sysctl-missing",
        Error,
        "The kernel does not have a parameter that Kubernetes needs.",
    ),
    ("sysctl-not-writable", Error, "A parameter of the kernel cannot be set."),
    ("joined-elsewhere", Error, "The host is a node of another cluster."),
];

/// What an agent says of its own settings and files.
pub const OF_AGENTS: &[Code] = &[
    ("config-mistake", Error, "The agent's configuration has a mistake."),
    ("override-expired", Warning, "An override has expired and is ignored."),
    (
        "override-unknown-code",
        Warning,
        "An override is about a code that no check gives.",
    ),
    (
        "override-unknown-gpu",
        Warning,
        "An override is about a GPU that is not there.",
    ),
    (
        "endpoints-not-served",
        Warning,
        "The agent's port or what `serve:` names cannot be had; everything else goes on.",
    ),
    (
        "state-not-kept",
        Warning,
        "What the agent knows cannot be written, and would not outlive it.",
    ),
    (
        "state-put-aside",
        Warning,
        "What the agent had kept could not be read, and lies aside.",
    ),
];
