"""The exchange: partners send health records, analysts read de-identified, linkable rows."""
