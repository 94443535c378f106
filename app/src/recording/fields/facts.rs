//! What is known of a run beside its events.

use serde::Serializer;
use serde_json::Value;

use super::{Field, Malformed, objects, tagged, write_tagged};
use crate::facts::{
    ArtifactFacts, ArtifactState, BackpressureFacts, BlindSpot, CommandFacts, ExecutionFacts, FamilyFacts,
    Gap, HostFacts, LimitFacts, ObservationFacts, Outcome, PresentArtifact, ProbeFacts, Resources, ToolFacts,
    UserFacts,
};

/// A file that the limit had no room for.
struct OverLimit {
    size_bytes: u64,
    mode: u32,
}

objects! {
    ToolFacts { name, version, bpf_object_sha256 }
    CommandFacts { argv, cwd, user, executable, environment }
    UserFacts { uid, gid, name }
    HostFacts { kernel, architecture, os, hostname, boot_id, lsm, virtualization }
    ExecutionFacts { backend, isolation, root_pid, started_at, finished_at, outcome, resources }
    Outcome { status, exit_code, signal, core_dumped, error }
    Resources { user_ns, system_ns, max_rss_bytes }
    ObservationFacts { probes, families, backpressure, limits, gaps, blind_spots }
    ProbeFacts { name, kind, attached, reason }
    FamilyFacts { name, emitted, received, dropped, recovered }
    BackpressureFacts { waits, waited_ns, freezes, frozen_ns }
    LimitFacts { list, total, kept }
    Gap { kind, code, detail }
    BlindSpot { code, detail }
    ArtifactFacts { path, identity, state }
    PresentArtifact { size_bytes, mode, sha256, media_type }
    OverLimit { size_bytes, mode }
}

impl Field for ArtifactState {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let it_is = true;
        match self {
            Self::Gone => write_tagged(serializer, "gone", &it_is),
            Self::Replaced => write_tagged(serializer, "replaced", &it_is),
            Self::NotRegular => write_tagged(serializer, "not_regular", &it_is),
            Self::Present(present) => write_tagged(serializer, "present", present),
            Self::OverLimit { size_bytes, mode } => {
                let over = OverLimit { size_bytes: *size_bytes, mode: *mode };
                write_tagged(serializer, "over_limit", &over)
            }
            Self::Unreadable(why) => write_tagged(serializer, "unreadable", why),
        }
    }

    fn read(value: Value) -> Result<Self, Malformed> {
        let (tag, value) = tagged(value)?;
        match tag.as_str() {
            "gone" => Ok(Self::Gone),
            "replaced" => Ok(Self::Replaced),
            "not_regular" => Ok(Self::NotRegular),
            "present" => Field::read(value).map(Self::Present),
            "over_limit" => {
                let OverLimit { size_bytes, mode } = Field::read(value)?;
                Ok(Self::OverLimit { size_bytes, mode })
            }
            "unreadable" => Field::read(value).map(Self::Unreadable),
            _ => Err(Malformed::new("expected what was found")),
        }
    }
}
