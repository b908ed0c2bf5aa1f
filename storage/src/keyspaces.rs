//! Keys: one keyspace byte, then components in an order-preserving encoding.
//!
//! Text and byte components end with `00 01` and carry `00` as `00 FF`, so no component can spill
//! over into the next and the order of keys is the order of component tuples. Integers are
//! big-endian. A retired byte stays reserved: data folders outlive programs.

/// The first byte of every key in the state store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Keyspace {
    /// Bookkeeping of the consensus layer: last applied entry, membership, digests.
    Consensus = 0x01,
    /// Single rows of the whole system.
    System = 0x02,
    /// Request ids and their answers.
    Requests = 0x03,
    /// Request ids by time, for pruning.
    RequestsByTime = 0x04,
    /// Accounts by name.
    Accounts = 0x10,
    /// Users by name.
    Users = 0x11,
    /// Users of an account.
    UsersByAccount = 0x12,
    /// Reserved: sessions.
    Sessions = 0x13,
    /// Reserved: access tokens.
    Tokens = 0x14,
    /// Reserved: data keys of accounts, wrapped by the node key.
    AccountKeys = 0x15,
    /// Registry credentials by (account, registry).
    Registries = 0x20,
    /// Images by (account, digest).
    Images = 0x30,
    /// Tags by (account, registry, repository, tag).
    Tags = 0x31,
    /// Images by (account, image id).
    ImagesById = 0x32,
    /// Reserved: what a tag pointed to over time.
    TagHistory = 0x33,
    /// Reserved: archived images.
    Archive = 0x34,
    /// Jobs by id.
    Jobs = 0x40,
    /// Jobs that wait: (kind, priority, not before, id).
    JobsReady = 0x41,
    /// Jobs that are held: (until, id).
    JobsLeased = 0x42,
    /// Jobs of an image: (account, digest, id).
    JobsByImage = 0x43,
    /// Jobs that ended: (when, id).
    JobsEnded = 0x44,
    /// Policies by (account, id).
    Policies = 0x50,
    /// The active policy's id by account.
    PolicyActive = 0x51,
    /// Evaluations by (account, digest, tag, policy, newest first).
    Evaluations = 0x58,
    /// Events by (account, newest first).
    Events = 0x60,
    /// Reserved: subscriptions to tags and findings.
    Subscriptions = 0x61,
    /// Reserved: notifications to deliver.
    Deliveries = 0x62,
    /// Feed state.
    Feeds = 0x70,
    /// Reserved: feed generations.
    FeedGenerations = 0x71,
    /// Counters.
    Counters = 0x7f,
    /// Reserved: which records refer to a blob.
    BlobReferences = 0x80,
    /// Reserved: blobs that nothing refers to, by the time since.
    BlobOrphans = 0x81,
    /// Reserved: peers of the cluster.
    Nodes = 0x90,
    /// Reserved: join tokens.
    JoinTokens = 0x91,
    /// Reserved: inventories of running images.
    Inventories = 0xa0,
    /// Reserved: source repositories.
    Sources = 0xa1,
}

impl Keyspace {
    /// Every keyspace.
    pub const ALL: &'static [Self] = &[
        Self::Consensus,
        Self::System,
        Self::Requests,
        Self::RequestsByTime,
        Self::Accounts,
        Self::Users,
        Self::UsersByAccount,
        Self::Sessions,
        Self::Tokens,
        Self::AccountKeys,
        Self::Registries,
        Self::Images,
        Self::Tags,
        Self::ImagesById,
        Self::TagHistory,
        Self::Archive,
        Self::Jobs,
        Self::JobsReady,
        Self::JobsLeased,
        Self::JobsByImage,
        Self::JobsEnded,
        Self::Policies,
        Self::PolicyActive,
        Self::Evaluations,
        Self::Events,
        Self::Subscriptions,
        Self::Deliveries,
        Self::Feeds,
        Self::FeedGenerations,
        Self::Counters,
        Self::BlobReferences,
        Self::BlobOrphans,
        Self::Nodes,
        Self::JoinTokens,
        Self::Inventories,
        Self::Sources,
    ];
}

/// Builds a key component by component.
#[derive(Debug, Clone)]
pub struct Key(Vec<u8>);

impl Key {
    /// A key of this keyspace without components: also the prefix of all its keys.
    #[must_use]
    pub fn new(keyspace: Keyspace) -> Self {
        Self(vec![keyspace as u8])
    }

    /// Adds text.
    #[must_use]
    pub fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    /// Adds bytes of any length and content.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        for &byte in bytes {
            self.0.push(byte);
            if byte == 0 {
                self.0.push(0xff);
            }
        }
        self.0.extend_from_slice(&[0, 1]);
        self
    }

    /// Adds bytes of a fixed width, as they are.
    #[must_use]
    pub fn fixed<const N: usize>(mut self, bytes: &[u8; N]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Adds one byte.
    #[must_use]
    pub fn byte(mut self, byte: u8) -> Self {
        self.0.push(byte);
        self
    }

    /// Adds a number; smaller ones sort first.
    #[must_use]
    pub fn number(mut self, number: u64) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// Adds a number; larger ones sort first.
    #[must_use]
    pub fn newest_first(self, number: u64) -> Self {
        self.number(!number)
    }

    /// Adds a signed number, such as a time; smaller ones sort first.
    #[must_use]
    pub fn signed(self, number: i64) -> Self {
        self.number((number as u64) ^ (1 << 63))
    }

    /// The finished key.
    #[must_use]
    pub fn build(self) -> Vec<u8> {
        self.0
    }
}

/// Takes a key apart in the order in which it was built. Every method answers `None` when the key
/// does not have that component there.
#[derive(Debug, Clone)]
pub struct KeyReader<'a>(&'a [u8]);

impl<'a> KeyReader<'a> {
    /// Starts after the keyspace byte.
    #[must_use]
    pub fn new(keyspace: Keyspace, key: &'a [u8]) -> Option<Self> {
        let (&first, rest) = key.split_first()?;
        (first == keyspace as u8).then_some(Self(rest))
    }

    /// Takes a bytes component.
    pub fn bytes(&mut self) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let mut rest = self.0.iter();
        while let Some(&byte) = rest.next() {
            match (byte, byte == 0) {
                (_, false) => out.push(byte),
                (_, true) => match rest.next()? {
                    1 => {
                        self.0 = rest.as_slice();
                        return Some(out);
                    }
                    0xff => out.push(0),
                    _ => return None,
                },
            }
        }
        None
    }

    /// Takes a text component.
    pub fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?).ok()
    }

    /// Takes a fixed-width component.
    pub fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    /// Takes a number.
    pub fn number(&mut self) -> Option<u64> {
        self.fixed::<8>().map(u64::from_be_bytes)
    }

    /// Takes a signed number.
    pub fn signed(&mut self) -> Option<i64> {
        self.number().map(|number| (number ^ (1 << 63)) as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keyspace_bytes_are_unique() {
        let mut bytes: Vec<u8> = Keyspace::ALL.iter().map(|keyspace| *keyspace as u8).collect();
        bytes.sort_unstable();
        bytes.dedup();
        assert_eq!(bytes.len(), Keyspace::ALL.len());
    }

    /// The bytes on disk; a change of any of them loses stored keys.
    #[test]
    fn golden_key() {
        let key = Key::new(Keyspace::Images).text("a\0b").number(258).signed(-1);
        let key = key.byte(9).fixed(&[1, 2]).newest_first(0).build();
        let expected = "30|6100ff620001|0000000000000102|7fffffffffffffff|09|0102|ffffffffffffffff";
        assert_eq!(hex::encode(key), expected.replace('|', ""));
    }

    #[test]
    fn bad_keys_do_not_read() {
        let read = |key: &'static [u8]| KeyReader::new(Keyspace::Images, key)?.text();
        assert_eq!(read(b"\x30abc\0\x01"), Some("abc".to_owned()));
        for bad in [&b""[..], b"\x31abc\0\x01", b"\x30abc", b"\x30abc\0", b"\x30a\0\x02\0\x01"] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
        assert_eq!(read(b"\x30\xff\0\x01"), None, "not UTF-8");
    }

    fn build(a: &[u8], number: i64, b: &[u8]) -> Vec<u8> {
        Key::new(Keyspace::Images).bytes(a).signed(number).bytes(b).build()
    }

    proptest! {
        #[test]
        fn key_order_is_component_order(
            a in proptest::collection::vec(0_u8..3, 0..5), x in any::<i64>(),
            b in proptest::collection::vec(0_u8..3, 0..5), c in proptest::collection::vec(0_u8..3, 0..5),
            y in any::<i64>(), d in proptest::collection::vec(0_u8..3, 0..5),
        ) {
            prop_assert_eq!(
                build(&a, x, &b).cmp(&build(&c, y, &d)),
                (&a, x, &b).cmp(&(&c, y, &d))
            );
        }

        /// A scan of a prefix finds exactly the keys whose first component is the same.
        #[test]
        fn prefix_holds_equal_components_only(
            a in proptest::collection::vec(0_u8..3, 0..4), b in proptest::collection::vec(0_u8..3, 0..4),
        ) {
            let prefix = Key::new(Keyspace::Tags).bytes(&a).build();
            let end = crate::kv::prefix_end(&prefix).unwrap();
            let other = Key::new(Keyspace::Tags).bytes(&b).number(u64::MAX).build();
            prop_assert_eq!(prefix <= other && other < end, a == b);
        }

        #[test]
        fn keys_read_back(a in any::<Vec<u8>>(), x in any::<i64>(), text in ".*") {
            let key = Key::new(Keyspace::Tags).bytes(&a).signed(x).text(&text).number(7).build();
            let mut reader = KeyReader::new(Keyspace::Tags, &key).unwrap();
            prop_assert_eq!(reader.bytes().unwrap(), a);
            prop_assert_eq!(reader.signed().unwrap(), x);
            prop_assert_eq!(reader.text().unwrap(), text);
            prop_assert_eq!(reader.number().unwrap(), 7);
            prop_assert!(reader.number().is_none());
        }

        #[test]
        fn hostile_keys_do_not_panic(key in any::<Vec<u8>>()) {
            if let Some(mut reader) = KeyReader::new(Keyspace::Tags, &key) {
                let _ = reader.text();
                let _ = reader.number();
            }
        }
    }
}
