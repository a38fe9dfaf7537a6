use super::*;

#[test]
fn too_little_memory_is_refused() {
    let config = StoreConfig { when_full: WhenFull::Evict, seed: 1 };
    assert!(matches!(Store::new(StoreMemory::leak(1000), config), Err(e) if e.bytes == 1000 && e.needed > 1000));
    let needed = Store::new(StoreMemory::leak(1000), config).err().unwrap().needed;
    assert!(Store::new(StoreMemory::leak(needed), config).is_ok());
}
