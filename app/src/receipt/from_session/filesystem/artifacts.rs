//! What a run has left behind, in the receipt.

use super::Builder;
use crate::{
    event,
    facts::{ArtifactFacts, ArtifactState},
    maps::{HashMap, HashSet},
    receipt::{
        from_session::split,
        schema::{Artifact, ArtifactChange, Device, Mode, Reason, Sha256},
    },
    session::{FileKind, LeftBehind, LeftChange, Standing},
};

/// Media type of a symbolic link, as the shared MIME-info database has it.
const SYMLINK: &str = "inode/symlink";

impl Builder<'_, '_> {
    /// What is left, with what was found where it should be: a part of it, in the same order.
    pub(in crate::receipt::from_session) fn artifacts(
        &mut self,
        left: Vec<LeftBehind>,
        found: Vec<ArtifactFacts>,
    ) -> Vec<Artifact> {
        let places = Places::new(&left, &found);
        let mut found = found.into_iter().peekable();
        let mut artifacts = Vec::with_capacity(left.len());
        for left in left {
            let state = found.next_if(|found| is_of(found, &left)).map(|found| found.state);
            if places.is_told(&left, state.as_ref()) {
                let artifact = self.artifact(artifacts.len(), &left, state.as_ref());
                artifacts.push(artifact);
            }
        }
        artifacts
    }

    fn artifact(&mut self, index: usize, left: &LeftBehind, state: Option<&ArtifactState>) -> Artifact {
        let at = |field: &str| format!("/artifacts/{index}/{field}");
        let (path, path_reason) = self.texts.shared(&left.path, || at("path"));
        let target = left.target.as_deref();
        let target = target.map(|target| self.texts.shared(target, || at("target")));
        let (process, process_reason) = self.process(left.process);
        let symlink = left.kind == FileKind::Symlink;
        let not_there = match state {
            Some(ArtifactState::Gone | ArtifactState::Replaced) => Reason::Gone,
            Some(ArtifactState::OverLimit { .. }) => Reason::Limit,
            Some(ArtifactState::Unreadable(reason)) => Reason::from(*reason),
            Some(ArtifactState::NotRegular) => Reason::NotRegular,
            _ if symlink => Reason::NotRegular,
            _ => Reason::Ended,
        };
        let present = match state {
            Some(ArtifactState::Present(present)) => Ok(present),
            _ => Err(not_there),
        };
        let (sha256, sha256_reason) =
            split(present.and_then(|file| file.sha256.map(Sha256).map_err(Reason::from)));
        let (size, permissions) = match state {
            Some(ArtifactState::OverLimit { size_bytes, mode }) => (Ok(*size_bytes), Ok(*mode)),
            _ => (present.map(|file| file.size_bytes), present.map(|file| file.mode)),
        };
        let (size_bytes, size_bytes_reason) = split(size);
        let (mode, mode_reason) = split(permissions.map(Mode));
        let media_type = match present {
            _ if symlink => Ok(SYMLINK.into()),
            Ok(file) => file.media_type.clone().ok_or(Reason::NotAvailable),
            Err(reason) => Err(reason),
        };
        let (media_type, media_type_reason) = split(media_type);
        let identity = left.identity.ok_or(Reason::PathOnly);
        let (device, device_reason) = split(identity.map(|(device, _)| Device(device)));
        let (inode, inode_reason) = split(identity.map(|(_, inode)| inode));
        Artifact {
            path,
            path_reason,
            path_source: super::super::process::source(left.source),
            change: match left.change {
                LeftChange::Created => ArtifactChange::Created,
                LeftChange::Modified => ArtifactChange::Modified,
            },
            replaces: left.replaces,
            sha256,
            sha256_reason,
            size_bytes,
            size_bytes_reason,
            mode,
            mode_reason,
            media_type,
            media_type_reason,
            target_reason: target.as_ref().and_then(|(_, reason)| *reason),
            target: target.map(|(target, _)| target.map(Box::new)),
            device,
            device_reason,
            inode,
            inode_reason,
            process,
            process_reason,
        }
    }
}

/// Whether that was found where this should be.
fn is_of(found: &ArtifactFacts, left: &LeftBehind) -> bool {
    found.identity == left.identity
        && matches!(&left.path, event::Observed::Complete(path) if *path == found.path)
}

/// How well the best known place of each file is known, of those that it was found at. Files of which every place is
/// known, and was found to be theirs, are not among them: they may be many.
struct Places(HashMap<((u32, u32), u64), Standing>);

impl Places {
    fn new(left: &[LeftBehind], found: &[ArtifactFacts]) -> Self {
        let states = || {
            let mut found = found.iter().peekable();
            left.iter()
                .map(move |left| (left, found.next_if(|found| is_of(found, left)).map(|found| &found.state)))
        };
        let doubtful = |(left, state): &(&LeftBehind, Option<&ArtifactState>)| {
            left.standing != Standing::Known || *state == Some(&ArtifactState::Replaced)
        };
        let doubtful: HashSet<_> = states().filter(doubtful).filter_map(|(left, _)| left.identity).collect();
        let mut places = HashMap::default();
        if doubtful.is_empty() {
            return Self(places);
        }
        for (left, state) in states() {
            if let (Some(identity), true) = (left.identity, state.is_some_and(is_there))
                && doubtful.contains(&identity)
            {
                let best = places.entry(identity).or_insert(left.standing);
                *best = left.standing.min(*best);
            }
        }
        Self(places)
    }

    /// What is not there any more was not left behind, nor is told what may be elsewhere and was not found there, or at
    /// a place that is better known.
    fn is_told(&self, left: &LeftBehind, state: Option<&ArtifactState>) -> bool {
        let best = left.identity.and_then(|identity| self.0.get(&identity));
        match (left.standing, state) {
            (_, Some(ArtifactState::Gone)) => false,
            (Standing::Known, Some(ArtifactState::Replaced)) => best.is_none(),
            (Standing::Known, _) => true,
            (Standing::Unsure, Some(ArtifactState::Replaced)) => false,
            // Of what only a path is known, whatever is there is it.
            (Standing::Unsure, _) => best.is_none_or(|best| *best == left.standing),
            (Standing::Guess, state) => state.is_some_and(is_there) && best == Some(&Standing::Guess),
        }
    }
}

/// It is there.
fn is_there(state: &ArtifactState) -> bool {
    matches!(state, ArtifactState::Present(_) | ArtifactState::OverLimit { .. })
}
