//! The greeting: what both sides understand, and how errors and acknowledgements go.

use dbgbase::TargetId;

use crate::session::{Handled, Reply, Session};

/// What this stub understands beyond what every one does.
const FEATURES: &[&str] = &[
    "QStartNoAckMode+",
    "multiprocess+",
    "swbreak+",
    "hwbreak+",
    "vContSupported+",
    "no-resumed+",
    "fork-events+",
    "vfork-events+",
    "exec-events+",
    "single-inf-arg+",
    "error-message+",
    "binary-upload+",
    "ConditionalBreakpoints+",
    "BreakpointCommands+",
    "QCatchSyscalls+",
    "QNonStop+",
    "QThreadEvents+",
    "QPassSignals+",
    "QProgramSignals+",
    "QDisableRandomization+",
    "QStartupWithShell+",
    "QSetWorkingDir+",
    "QEnvironmentHexEncoded+",
    "QEnvironmentReset+",
    "QEnvironmentUnset+",
    "QThreadSuffixSupported+",
    "QListThreadsInStopReply+",
    "qEcho+",
    "native-signals+",
    "qSaveCore+",
    "qXfer:auxv:read+",
    "qXfer:exec-file:read+",
    "qXfer:features:read+",
    "qXfer:libraries-svr4:read+",
    "augmented-libraries-svr4-read+",
    "qXfer:osdata:read+",
    "qXfer:siginfo:read+",
    "qXfer:siginfo:write+",
    "qXfer:threads:read+",
];

impl Session {
    /// `qSupported[:FEATURE[;FEATURE]...]`
    pub(crate) fn packet_supported(&mut self, arguments: &[u8]) -> Handled {
        self.dialogue.take_features(arguments);
        // What is debugged from the start began before anybody said what is understood.
        let started = self.targets.values().filter(|target| !target.is_shell);
        let ids: Vec<TargetId> = started.map(|target| target.id).collect();
        ids.into_iter().for_each(|id| self.send_interests(id));
        let mut text = format!("PacketSize={:x}", self.dialogue.packet_len_max());
        for feature in FEATURES {
            text.push(';');
            text.push_str(feature);
        }
        Ok(Reply::from(text))
    }

    /// `QStartNoAckMode`: the reply itself is still acknowledged, and so is the packet.
    pub(crate) fn packet_no_acknowledgement(&mut self, _: &[u8]) -> Handled {
        self.debugger.stop_acknowledging();
        Ok(Reply::Ok)
    }

    /// A packet that is known, and answered as one that is not.
    pub(crate) fn packet_unknown(&mut self, _: &[u8]) -> Handled {
        Ok(Reply::Unknown)
    }
}
