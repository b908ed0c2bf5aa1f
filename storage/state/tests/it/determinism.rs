//! Same log, same bytes.

use crate::world::{World, add_image, node, user};
use kedge_artifact::digest::Digest;
use kedge_model::command::{Command, Entry};
use kedge_model::image::Failure;
use kedge_model::tokens::{Caller, Epoch, JobId, NodeId};
use kedge_state::{apply, decode_entry, encode_entry};
use kedge_storage::kv::{Kv, Txn, View};
use kedge_storage::memory::MemoryKv;
use proptest::prelude::*;

fn commands() -> impl Strategy<Value = (bool, Command)> {
    let image = (0..4_u8, any::<bool>()).prop_map(|(n, force)| {
        let mut add = add_image("acme", &n.to_string());
        add.force = force;
        Command::AddImage(Box::new(add))
    });
    let job = || (1..40_u64, 1..3_u16).prop_map(|(index, n)| JobId((index << 12) | u64::from(n)));
    let epoch = || (0..3_u64).prop_map(Epoch);
    prop_oneof![
        image.prop_map(|command| (false, command)),
        (0..4_u8, any::<bool>()).prop_map(|(n, force)| {
            let digest = Digest::of(n.to_string().as_bytes());
            (false, Command::DeleteImage { account: "acme".into(), digest, force })
        }),
        job().prop_map(|job| {
            let until = kedge_artifact::time::Timestamp(1_020_000);
            (true, Command::LeaseJob { job, node: NodeId(1), until })
        }),
        (job(), epoch(), any::<bool>()).prop_map(|(job, epoch, transient)| {
            let failure = Failure { code: "c".into(), message: "m".into() };
            (true, Command::FailJob { job, epoch, failure, transient })
        }),
        (job(), epoch()).prop_map(|(job, epoch)| (true, Command::FinishJob { job, epoch })),
        job().prop_map(|job| (false, Command::RetryJob { job })),
        job().prop_map(|job| (false, Command::CancelJob { job })),
        Just((true, Command::ExpireLeases)),
        Just((true, Command::Prune)),
    ]
}

fn dump(kv: &MemoryKv) -> Vec<(Vec<u8>, Vec<u8>)> {
    kv.range(&[0], None, false, 100_000).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_log_replayed_on_another_store_gives_the_same_bytes(
        steps in proptest::collection::vec((commands(), 0..20_000_i64), 1..60),
    ) {
        let mut world = World::new();
        // A second peer, which gets the log as bytes and applies it in larger batches.
        let peer = MemoryKv::new();
        let mut log: Vec<Entry> = Vec::new();
        let start = world.index;
        let first = dump(&world.kv);
        for ((by_node, command), wait) in steps {
            world.now = world.now.plus_ms(wait);
            let caller: Caller = if by_node { node() } else { user("ann", "acme") };
            let entry = world.entry(caller, command);
            world.apply(&entry);
            log.push(entry);
        }
        let mut seeded = kedge_storage::kv::Batch::new();
        for (key, value) in first {
            seeded.put(key, value);
        }
        peer.apply(seeded).unwrap();
        for (chunk, entries) in log.chunks(7).enumerate() {
            let mut txn = Txn::new(&peer);
            for (offset, entry) in entries.iter().enumerate() {
                let entry = decode_entry(&encode_entry(entry).unwrap()).unwrap();
                let index = start + 1 + (chunk * 7 + offset) as u64;
                apply(&mut txn, &entry, index).unwrap();
            }
            let batch = txn.into_batch();
            peer.apply(batch).unwrap();
        }
        prop_assert_eq!(dump(&world.kv), dump(&peer));
    }

    #[test]
    fn job_indexes_agree_with_job_rows(
        steps in proptest::collection::vec((commands(), 0..20_000_i64), 1..60),
    ) {
        use kedge_model::job::{JobKind, JobState};
        use kedge_state::{query, schedule};
        let mut world = World::new();
        for ((by_node, command), wait) in steps {
            world.now = world.now.plus_ms(wait);
            let caller: Caller = if by_node { node() } else { user("ann", "acme") };
            let _ = world.run(caller, command);
        }
        let far = kedge_artifact::time::Timestamp(i64::MAX);
        let jobs = query::job::list(&world.kv).unwrap();
        let ready: usize = JobKind::ALL
            .into_iter()
            .map(|kind| schedule::next(&world.kv, kind, far, 1_000).unwrap().len())
            .sum();
        prop_assert_eq!(ready, jobs.iter().filter(|job| job.state == JobState::Ready).count());
        let held = schedule::expired(&world.kv, far, 1_000).unwrap().len();
        prop_assert_eq!(held, jobs.iter().filter(|job| job.state == JobState::Leased).count());
        let open = jobs.iter().filter(|job| !job.state.is_final() && job.account.0 == "acme").count();
        let counter = kedge_state::row::at::counter("jobs_open", &"acme".into());
        prop_assert_eq!(kedge_state::row::counter(&world.kv, counter).unwrap(), open as u64);
    }
}
