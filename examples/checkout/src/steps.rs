//! How an accepted order is brought on: charged, then settled, each step once, by whoever finds it undone.
//!
//! Everything here happens under the order's lock, and everything that is written carries its fencing token. The order of
//! things within a step: what cannot be taken back (the charge) only after asking whether it was done; then the event, under
//! the append id of the step; then the record. So a record never says more than its stream, and whoever comes after a crash
//! anywhere in between repeats the rest and changes nothing twice.

use std::{sync::Arc, time::Duration};

use concurrency_core::{
    AppendOptions, Codec, DeleteOptions, FencingToken, LockOptions, NewEvent, SaveOptions, State, Write,
};

use crate::{
    error::CheckoutError,
    ledger::LedgerError,
    model::{self, Order, OrderEvent, Status},
    points::Point,
    service::Checkout,
};

impl Checkout {
    /// After `Ok` the order has come at least as far as `goal`, whoever brought it there. Waits up to `patience` for
    /// whoever is at it.
    ///
    /// # Errors
    /// `NoSuchOrder`; one that [`is_overtaken`](CheckoutError::is_overtaken) where another instance is at it and has not come
    /// as far yet; those of the ledger and of the backend: somebody will finish it.
    ///
    /// # Cancel safety
    /// Whatever was done is found by whoever comes next.
    pub async fn advance(&self, id: &str, goal: Status, patience: Duration) -> Result<Order, CheckoutError> {
        let order = self.order(id).await?;
        if order.status >= goal {
            return Ok(order);
        }
        let options = LockOptions::new().with_ttl(self.lease).with_timeout(patience);
        let work = |token| self.advance_under(id, goal, token);
        match self.locks.run(&model::order_lock(id), options, work).await {
            Err(error) if error.is_overtaken() => {
                self.counters.overtaken.add(1);
                let order = self.order(id).await?;
                if order.status >= goal { Ok(order) } else { Err(error) }
            }
            done => done,
        }
    }

    async fn advance_under(&self, id: &str, goal: Status, token: FencingToken) -> Result<Order, CheckoutError> {
        // Loaded again: what was seen before the lock was had may be old.
        let mut order = self.orders.load(&model::order_key(id)).await?.ok_or(CheckoutError::NoSuchOrder)?;
        while order.value.status < goal {
            order = match order.value.status {
                Status::Placed => self.charge(order, token).await?,
                Status::Charged => self.settle(order, token).await?,
                Status::Settled => break,
            };
        }
        Ok(order.value)
    }

    async fn charge(&self, mut order: State<Order>, token: FencingToken) -> Result<State<Order>, CheckoutError> {
        let receipt = &order.value.receipt;
        self.append(Status::Placed, receipt, token).await?;
        if self.ledger.read(&receipt.order, token).await?.is_empty() {
            self.send_charge(receipt, token).await?;
            self.counters.charged.add(1);
            self.points.pass(Point::Save, &receipt.order, token).await;
        } else {
            self.counters.found_charged.add(1);
        }
        self.append(Status::Charged, receipt, token).await?;
        order.value.status = Status::Charged;
        let options = SaveOptions::new().if_version(order.version).fenced_by(token);
        order.version = self.orders.save(&model::order_key(&order.value.receipt.order), &order.value, options).await?;
        Ok(order)
    }

    /// Sends the charge, from a task of its own: what was decided is sent, even if the lease is lost and this future dropped
    /// before it left, as it would be from the queue of an HTTP client. It is the ledger that refuses what comes too late.
    async fn send_charge(&self, receipt: &model::Receipt, token: FencingToken) -> Result<(), CheckoutError> {
        let (ledger, points) = (Arc::clone(&self.ledger), Arc::clone(&self.points));
        let (order, amount) = (receipt.order.clone(), receipt.amount);
        let sending = tokio::spawn(async move {
            points.pass(Point::Charge, &order, token).await;
            ledger.charge(&order, token, amount).await
        });
        // A task that did not come to its end leaves the same doubt as an answer that did not come.
        Ok(sending.await.unwrap_or(Err(LedgerError::Unavailable))?)
    }

    async fn settle(&self, mut order: State<Order>, token: FencingToken) -> Result<State<Order>, CheckoutError> {
        self.append(Status::Settled, &order.value.receipt, token).await?;
        order.value.status = Status::Settled;
        let id = &order.value.receipt.order;
        let options = SaveOptions::new().if_version(order.version).fenced_by(token);
        let writes = vec![
            self.orders.write(model::order_key(id), &order.value, options)?,
            Write::delete(model::open_key(id), DeleteOptions::new()),
        ];
        order.version = self.states.commit(writes).await?;
        self.counters.settled.add(1);
        Ok(order)
    }

    /// After `Ok` the event of this step stands in the order's stream, once, however often this is called.
    async fn append(&self, step: Status, receipt: &model::Receipt, token: FencingToken) -> Result<(), CheckoutError> {
        let event = NewEvent::new(step.event_type(), Codec::default().encode(&OrderEvent::of(receipt))?);
        let options = AppendOptions::new()
            .expecting(step.version() - 1)
            .with_append_id(step.append_id(&receipt.order))
            .fenced_by(token);
        self.events.append(&model::order_stream(&receipt.order), vec![event], options).await?;
        Ok(())
    }
}
