-- Lists of a tenant's entities. An entity enters once, with its first event.
CREATE INDEX entities_by_kind ON entities (tenant, kind, id);
