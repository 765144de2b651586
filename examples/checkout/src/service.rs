//! What an instance does: place an order in one commit, then bring it on step by step.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use concurrency_core::{
    Backend, Codec, Error, EventStore, Locks, SaveOptions, StateStore, TypedCache, TypedState, Version, Write,
    clock::BootInstant, retry::Backoff,
};

use crate::{
    catalogue::{Catalogue, Product},
    counters::Counters,
    error::CheckoutError,
    ledger::Ledger,
    model::{self, MAX_KEY, MAX_QUANTITY, NewOrder, Order, Receipt, Status, Stock},
    points::Points,
};

/// How long a product may be cached.
const PRODUCT_LIFETIME: Duration = Duration::from_secs(60);
/// How long others wait for a process that loads a product and has died meanwhile.
const LOADING: Duration = Duration::from_secs(2);
/// How long the answer under an idempotency key is kept.
const KEY_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// How long a request goes on against others that change the same stock.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a crashed instance keeps the others from its orders, unless told.
const LEASE: Duration = Duration::from_secs(2);

/// One instance of the checkout, over any backend. All that lasts is in the backend and at the ledger.
pub struct Checkout {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) states: Arc<dyn StateStore>,
    pub(crate) orders: TypedState<Order>,
    pub(crate) locks: Locks,
    pub(crate) events: Arc<dyn EventStore>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) counters: Counters,
    pub(crate) points: Arc<Points>,
    pub(crate) lease: Duration,
    answers: TypedState<Receipt>,
    stocks: TypedState<Stock>,
    products: TypedCache<Product>,
    catalogue: Arc<Catalogue>,
    reads: Mutex<BTreeMap<String, u64>>,
}

impl fmt::Debug for Checkout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkout").field("backend", &self.backend.name()).finish_non_exhaustive()
    }
}

/// An order that was accepted, now or before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// What the client is answered.
    pub receipt: Receipt,
    /// Whether this key had been answered before.
    pub repeated: bool,
}

impl Checkout {
    /// An instance over this backend, ledger and catalogue.
    ///
    /// # Errors
    /// `Unsupported` where the backend lacks a component.
    pub fn new(
        backend: Arc<dyn Backend>,
        ledger: Arc<dyn Ledger>,
        catalogue: Arc<Catalogue>,
    ) -> Result<Self, CheckoutError> {
        let states = backend.state_store(model::NAMESPACE)?;
        Ok(Self {
            orders: TypedState::new(Arc::clone(&states)),
            answers: TypedState::new(Arc::clone(&states)),
            stocks: TypedState::new(Arc::clone(&states)),
            products: TypedCache::new(backend.cache(model::PRODUCTS)?)
                .with_expiry(PRODUCT_LIFETIME)
                .with_load_hold(LOADING),
            locks: Locks::new(backend.lock(model::NAMESPACE)?),
            events: backend.event_store(model::NAMESPACE)?,
            counters: Counters::default(),
            points: Arc::default(),
            lease: LEASE,
            reads: Mutex::default(),
            states,
            backend,
            ledger,
            catalogue,
        })
    }

    /// Tells who comes to these points.
    #[must_use]
    pub fn with_points(mut self, points: Arc<Points>) -> Self {
        self.points = points;
        self
    }

    /// How long a crashed instance keeps the others from its orders and from settling, where it is not to be 2 s.
    #[must_use]
    pub const fn with_lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Puts a product on the shelf, unless it is there: for whoever sets the shop up.
    ///
    /// # Errors
    /// Those of the backend.
    pub async fn stock(&self, sku: &str, pieces: u64) -> Result<(), CheckoutError> {
        let stock = Stock { initial: pieces, left: pieces };
        match self.stocks.save(&model::stock_key(sku), &stock, SaveOptions::new().if_absent()).await {
            Err(Error::Conflict { .. }) => Ok(()),
            answered => Ok(answered.map(drop)?),
        }
    }

    /// What this instance has done so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How often this instance was asked for each product, by clients and by orders.
    #[must_use]
    pub fn reads_by_sku(&self) -> BTreeMap<String, u64> {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the backend answers.
    ///
    /// # Errors
    /// Those of the backend.
    pub async fn health(&self) -> Result<(), CheckoutError> {
        Ok(self.backend.health().await?)
    }

    /// A product, from the cache; on a miss from the catalogue, which is asked once for all who miss together.
    ///
    /// # Errors
    /// `NoSuchProduct`; those of the cache.
    pub async fn product(&self, sku: &str) -> Result<Arc<Product>, CheckoutError> {
        // The cache's limit for keys is not this shop's limit for product numbers.
        if !(1..=64).contains(&sku.len()) {
            return Err(CheckoutError::NoSuchProduct);
        }
        let product = self.products.get_or_load(sku, self.catalogue.find(sku)).await;
        let product = product.map_err(CheckoutError::of_product)?;
        // Only numbers that there are: nobody can make this map grow.
        *self.reads.lock().unwrap_or_else(PoisonError::into_inner).entry(sku.to_owned()).or_default() += 1;
        Ok(product)
    }

    /// An order as it stands.
    ///
    /// # Errors
    /// `NoSuchOrder`; those of the backend.
    pub async fn order(&self, id: &str) -> Result<Order, CheckoutError> {
        if !(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            return Err(CheckoutError::NoSuchOrder);
        }
        self.orders.load(&model::order_key(id)).await?.map(|state| state.value).ok_or(CheckoutError::NoSuchOrder)
    }

    /// After `Ok` the order is accepted, once for this key: its pieces are taken from the stock, and it will be charged
    /// and settled by whoever comes first. Nothing is stored after an error that says so.
    ///
    /// # Errors
    /// `BadKey`, `BadOrder`, `NoSuchProduct`, `KeyReused`, `OutOfStock`, `Busy`, and those of the backend; after one of those
    /// whose outcome is unknown, ask again with the same key.
    ///
    /// # Cancel safety
    /// The order was accepted or not; ask again with the same key.
    pub async fn place(&self, key: &str, wanted: &NewOrder) -> Result<Accepted, CheckoutError> {
        if !((1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(CheckoutError::BadKey);
        }
        if !(1..=MAX_QUANTITY).contains(&wanted.quantity) {
            return Err(CheckoutError::BadOrder("the quantity must be 1 to 100"));
        }
        let (deadline, mut backoff) = (BootInstant::now().after(PATIENCE), Backoff::new());
        let mut product = None;
        loop {
            match self.try_place(key, wanted, &mut product).await {
                // Somebody changed the stock, or answered this key, since it was read: look again.
                Err(CheckoutError::Store(Error::Conflict { key: refused, .. })) => {
                    let counter = if *refused == *model::answer_key(key) {
                        &self.counters.key_conflicts
                    } else {
                        &self.counters.stock_conflicts
                    };
                    counter.add(1);
                    if !backoff.sleep_before(deadline).await {
                        return Err(CheckoutError::Busy);
                    }
                }
                answered => return answered,
            }
        }
    }

    /// One attempt. The product is looked up once: the less is done between reading the stock and the commit, the fewer
    /// commits are refused.
    async fn try_place(
        &self,
        key: &str,
        wanted: &NewOrder,
        product: &mut Option<Arc<Product>>,
    ) -> Result<Accepted, CheckoutError> {
        let (answer_key, stock_key) = (model::answer_key(key), model::stock_key(&wanted.sku));
        let mut found = self.states.load_many(&[&answer_key, &stock_key]).await?;
        let (stock, answer) = (found.pop().flatten(), found.pop().flatten());
        if let Some(answer) = answer {
            return self.answered(Codec::default().decode(&answer.value)?, wanted);
        }
        let unit_price = match product {
            Some(product) => product.price,
            None => product.insert(self.product(&wanted.sku).await?).price,
        };
        let stock = stock.ok_or(CheckoutError::OutOfStock)?;
        let (shelf, version): (Stock, _) = (Codec::default().decode(&stock.value)?, stock.version);
        let Some(left) = shelf.left.checked_sub(u64::from(wanted.quantity)) else {
            // The last pieces may have gone to this very key, between the reading of the two: an accepted order must not be
            // refused to whoever repeats its request.
            let answer = self.answers.load(&answer_key).await?;
            return answer.map_or(Err(CheckoutError::OutOfStock), |answer| self.answered(answer.value, wanted));
        };
        let receipt = Receipt {
            order: Version::mint().to_string(),
            sku: wanted.sku.clone(),
            quantity: wanted.quantity,
            unit_price,
            amount: unit_price * u64::from(wanted.quantity),
        };
        let order = Order { receipt, key: key.to_owned(), status: Status::Placed };
        // The key stands first: where it and the stock are both refused, the conflict names the key.
        let writes = vec![
            self.answers.write(answer_key, &order.receipt, SaveOptions::new().if_absent().with_ttl(KEY_LIFETIME))?,
            self.orders.write(model::order_key(&order.receipt.order), &order, SaveOptions::new().if_absent())?,
            self.stocks.write(stock_key, &Stock { left, ..shelf }, SaveOptions::new().if_version(version))?,
            Write::save(model::open_key(&order.receipt.order), "", SaveOptions::new().if_absent()),
        ];
        self.states.commit(writes).await?;
        self.counters.placed.add(1);
        Ok(Accepted { receipt: order.receipt, repeated: false })
    }

    fn answered(&self, receipt: Receipt, wanted: &NewOrder) -> Result<Accepted, CheckoutError> {
        if !receipt.answers(wanted) {
            return Err(CheckoutError::KeyReused);
        }
        self.counters.repeats.add(1);
        Ok(Accepted { receipt, repeated: true })
    }
}
