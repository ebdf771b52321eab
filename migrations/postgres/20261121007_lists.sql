-- Lists of a tenant's entities. An entity enters once, with its first event: none of these columns
-- ever changes, so an update in place stays one.
CREATE INDEX entities_by_kind ON entities (tenant, kind, id);
